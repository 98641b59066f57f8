"""Small changes of a module, and a random sample of them."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

from tests.mutation.rooms import ROOT, module_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mutation.rooms import Room

#: Calls whose change tells nothing, as in mutmut.
UNCHANGED_CALLS = {"len", "isinstance", "cast", "TypeVar", "super"}


class Mutant(NamedTuple):
    """One change of a module."""

    #: Below the package, without its ending.
    module: str
    first_line: int
    last_line: int
    before: str
    after: str
    source: str


class _Mutator(cst.CSTVisitor):
    """Collects the changes of a module, as pairs of nodes."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[int, int, cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _is_left_alone(node):
            return False
        place = self.get_metadata(PositionProvider, node, None)
        if place is not None:
            self.changes += [
                (place.start.line, place.end.line, node, changed) for changed in _changed(node)
            ]
        return True


def _is_left_alone(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.If):
        return isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING"
    if isinstance(node, cst.Call):
        return isinstance(node.func, cst.Name) and node.func.value in UNCHANGED_CALLS
    return isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom)


def _changed(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            changes = list(operator(node))
            # Of three ways to change a string, one is enough: "XX…XX" comes first.
            yield from changes[:1] if isinstance(node, cst.BaseString) else changes
    if isinstance(node, cst.SimpleStatementLine) and _can_be_left_out(node.body[0]):
        yield node.with_changes(body=[cst.Pass()])
    if isinstance(node, cst.If):
        turned = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), turned))


def _can_be_left_out(statement: cst.CSTNode) -> bool:
    if isinstance(statement, cst.Raise):
        return True
    return isinstance(statement, cst.Expr) and isinstance(statement.value, cst.Call)


def draw_mutants(room: Room, size: int, seed: int) -> tuple[int, list[Mutant]]:
    """Return how many changes of a room there are, and a random sample of the mutants.

    Changes that make no Python, or a mutant that is there already, are passed over.
    """
    changes = []
    for name in room.modules:
        path = module_in(ROOT, name)
        if path.is_file():
            wrapper, mutator = MetadataWrapper(cst.parse_module(path.read_text())), _Mutator()
            wrapper.visit(mutator)
            changes += [(name, wrapper.module, *change) for change in mutator.changes]
    drawn: dict[str, Mutant] = {}
    for name, module, first, last, node, changed in random.Random(seed).sample(
        changes, len(changes)
    ):
        if len(drawn) == size:
            break
        mutated = module.deep_replace(node, changed)
        assert isinstance(mutated, cst.Module)
        code = mutated.code
        with suppress(SyntaxError):
            compile(code, "mutant", "exec", dont_inherit=True)
            before, after = (module.code_for_node(one) for one in (node, changed))
            drawn.setdefault(code, Mutant(name, first, last, before, after, code))
    return len(changes), list(drawn.values())
