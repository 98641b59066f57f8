"""Imports point one way: a room imports only those that the table lets it, and nothing in a circle.

Imports inside functions count. Those that only type checkers read do not.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import django_visualsnoop

PACKAGE = "django_visualsnoop"
ROOT = Path(django_visualsnoop.__file__).parent

#: Room, a folder or a module of the root → what it may import beside itself, lowest first.
ROOMS: dict[str, str] = {
    "common": "",
    "client": "",
    "exceptions": "client",
    "signals": "common",
    "engine": "",
    "engine.exceptions": "",
    "engine.apps": "",
    "engine.models": "",
    "engine.images": "common engine.exceptions",
    "engine.descriptors": "engine.images",
    "engine.matching": "common engine.descriptors engine.images",
    "engine.storage": "common engine.descriptors engine.exceptions engine.models",
    "engine.index": "",
    "engine.index.base": "",
    "engine.index.keys": "",
    "engine.index.stamps": "",
    "engine.index.memory": "engine.descriptors engine.index.base engine.index.keys",
    "engine.index.pgvector": "engine.descriptors engine.exceptions engine.index.base "
    "engine.index.keys engine.index.memory",
    "engine.index.milvus": "common engine.descriptors engine.exceptions engine.index.base "
    "engine.index.keys engine.index.memory exceptions",
    "engine.replica": "common engine.descriptors engine.index.memory engine.models engine.storage",
    "engine.outside": "common engine.descriptors engine.exceptions engine.index.base "
    "engine.index.memory engine.index.milvus engine.index.pgvector engine.index.stamps "
    "engine.models engine.replica engine.storage",
    "engine.search": "common engine.index.base engine.matching",
    "engine.picture_files": "common engine.exceptions engine.matching",
    "engine.closer_looks": "common engine.matching engine.picture_files engine.storage",
    "engine.pairs": "common engine.descriptors engine.matching engine.search",
    "engine.embedding": "common engine.index.base",
    "engine.sessions": "common",
    "engine.squares": "",
    "engine.onnx": "common engine.descriptors engine.sessions engine.squares",
    "engine.lite0": "engine.descriptors engine.embedding engine.sessions engine.squares",
    "engine.hits": "common engine.embedding engine.matching engine.search",
    "engine.pair_budget": "",
    "engine.described_edits": "engine.matching",
    "engine.gallery": "common engine.closer_looks engine.described_edits engine.descriptors "
    "engine.embedding engine.exceptions engine.hits engine.images engine.matching "
    "engine.outside engine.pair_budget engine.pairs engine.picture_files engine.replica "
    "engine.storage",
    "engine.training": "common engine.descriptors engine.exceptions engine.images engine.lite0 "
    "engine.matching",
    "engine.migrations": "engine.models",
    "collections": "common client exceptions engine.exceptions engine.gallery engine.lite0 "
    "engine.onnx engine.outside engine.storage",
    "indexed": "common collections",
    "outbox": "common client collections indexed signals",
    "merging": "common exceptions indexed signals",
    "sync": "common client exceptions signals collections indexed merging outbox",
    "search": "common client collections indexed outbox",
    "querysets": "common indexed outbox search",
    "uploads": "common client collections indexed outbox search",
    "review": "common collections indexed merging outbox querysets search",
    "models": "indexed merging outbox querysets review uploads",
    "health": "common outbox sync",
    "checks": "collections health indexed outbox",
    "metrics": "indexed outbox",
    "tasks": "common outbox review sync uploads",
    "views": "common health",
    "testing": "client collections common exceptions models outbox sync",
    "pytest_plugin": "collections testing",
    "admin": "common client collections exceptions indexed merging outbox review search sync "
    "uploads",
    "templatetags": "common indexed search",
    "rest_framework": "client common indexed search uploads",
    "reports": "common collections indexed sync",
    "management": "common client collections health indexed outbox querysets reports review sync",
    "apps": "checks common outbox tasks",
    "server": "",
    "server.exceptions": "",
    "server.conf": "common",
    "server.models": "",
    "server.migrations": "server.models",
    "server.transactions": "common server.exceptions server.models",
    "server.tenants": "common engine.exceptions engine.storage server.exceptions "
    "server.conf server.models server.transactions",
    "server.http": "common client server.exceptions server.conf server.models "
    "server.transactions server.tenants",
    "server.content": "common client engine.exceptions engine.images engine.descriptors "
    "engine.lite0 engine.matching engine.outside engine.storage engine.pairs engine.gallery "
    "engine.replica server.exceptions server.conf server.models server.transactions "
    "server.tenants",
    "server.api_v1": "common client engine.exceptions engine.storage server.exceptions "
    "server.conf server.tenants server.http server.content",
    "server.api_v2": "common client engine.exceptions engine.storage engine.matching "
    "server.exceptions server.conf server.models server.tenants "
    "server.http server.content server.api_v1",
    "server.pages": "common client engine.exceptions engine.storage server.exceptions "
    "server.conf server.models server.transactions server.tenants "
    "server.http server.content",
    "server.urls": "server.api_v1 server.api_v2 server.health",
    "server.project": "server.exceptions server.conf server.transactions server.tenants "
    "server.http server.api_v1 server.api_v2 server.pages",
    "server.admin": "common server.exceptions server.models server.transactions "
    "server.tenants server.content server.pages",
    "server.management": "engine.exceptions server.conf server.models server.transactions "
    "server.tenants server.content",
    "server.checks": "server.conf",
    "server.health": "common server.models",
    "server.apps": "exceptions server.checks",
    "migrations": "",
}

Imports = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Return every module of the package, by its name without the package's."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(tree: ast.AST, known: set[str]) -> set[str]:
    """Return the modules of the package that a module's code imports."""
    found: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found.update(_within(alias.name, known) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.update(_within(f"{node.module}.{alias.name}", known) for alias in node.names)
    return found - {""}


def _within(name: str, known: set[str]) -> str:
    """Return the module that a dotted name is, or is in; empty for those of other packages."""
    package, _, inner = name.partition(".")
    while package == PACKAGE and inner:
        if inner in known:
            return inner
        inner = inner.rpartition(".")[0]
    return ""


def room_of(module: str) -> str:
    """Return the room that a module is in; those of the engine and the server have two names."""
    parts = module.split(".")
    if parts[:2] == ["engine", "index"]:
        return ".".join(parts[:3])
    return ".".join(parts[: 2 if parts[0] in ("engine", "server") else 1])


def arrows_up(imports: Imports) -> list[str]:
    """Return the imports that the table does not allow."""
    return [
        f"{module} imports {imported}"
        for module, found in sorted(imports.items())
        for imported in sorted(found)
        if room_of(imported) not in (room_of(module), *ROOMS[room_of(module)].split())
    ]


def circle(imports: Imports) -> list[str]:
    """Return modules that import each other in a circle, if any do."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


@pytest.fixture(scope="module")
def imports() -> Imports:
    known = modules()
    return {
        name: imports_of(ast.parse(path.read_text()), set(known)) - {name}
        for name, path in known.items()
        if name
    }


def test_every_room_is_in_the_table(imports: Imports) -> None:
    assert {room_of(module) for module in imports} == set(ROOMS)


def test_the_table_itself_has_no_circle() -> None:
    table = {room: set(allowed.split()) for room, allowed in ROOMS.items()}
    assert circle(table) == []


def test_the_table_allows_no_more_than_is_used(imports: Imports) -> None:
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module, found in imports.items():
        used[room_of(module)].update(map(room_of, found))
    assert {room: sorted(set(allowed.split()) - used[room]) for room, allowed in ROOMS.items()} == {
        room: [] for room in ROOMS
    }


def test_no_arrow_up(imports: Imports) -> None:
    assert arrows_up(imports) == []


def test_no_circle(imports: Imports) -> None:
    assert circle(imports) == []


@pytest.mark.parametrize(
    "code",
    [
        "from django_visualsnoop.sync.worker import bring_home",
        "def now():\n    from django_visualsnoop.sync import worker",
        "def now():\n    import django_visualsnoop.sync.worker as worker",
    ],
)
def test_a_planted_import_is_found(imports: Imports, code: str) -> None:
    planted = imports_of(ast.parse(code), set(imports))
    changed = {**imports, "indexed.options": imports["indexed.options"] | planted}
    (found,) = arrows_up(changed)
    assert found == "indexed.options imports sync.worker"
    assert {"indexed.options", "sync.worker"} <= set(circle(changed))


def test_what_only_type_checkers_read_is_no_import(imports: Imports) -> None:
    code = "if TYPE_CHECKING:\n    from django_visualsnoop.sync import worker"
    assert imports_of(ast.parse(code), set(imports)) == set()
