"""Read files of a Git repository at a commit, without a work tree."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: Where repositories are cloned from.
ADDRESS = "https://github.com/{}"


class RepositoryFile(NamedTuple):
    path: str
    #: Name of its content: equal files have equal names.
    blob: str


def open_repository(repository: str, commit: str, *, snapshots: Path | None, clones: Path) -> Path:
    """Return the git directory of a repository that has the commit; clone it if need be.

    Args:
        repository: ``owner/name``.
        commit: 40 hex digits.
        snapshots: folder with ``owner+name/repo``, a bare git directory or a clone; clone from
            ``ADDRESS`` if ``None``.
        clones: folder for clones, which are kept.
    """
    name = repository.replace("/", "+")
    if snapshots is not None:
        folder = snapshots / name / "repo"
        folder = folder / ".git" if (folder / ".git").is_dir() else folder
        if not folder.is_dir():
            raise SystemExit(f"There is no snapshot of {repository} in {snapshots}.")
    else:
        folder = clones / f"{name}.git"
        if not _has_commit(folder, commit):
            _run("git", "init", "--quiet", "--bare", str(folder))
            address = ADDRESS.format(repository)
            try:
                _run("git", "-C", str(folder), "fetch", "--quiet", "--depth=1", address, commit)
            except subprocess.CalledProcessError:
                raise SystemExit(f"Could not fetch the commit {commit} of {address}.") from None
    if not _has_commit(folder, commit):
        raise SystemExit(f"{folder} does not have the commit {commit} of {repository}.")
    return folder


def list_files(folder: Path, commit: str) -> list[RepositoryFile]:
    """Return all files of a commit."""
    listed = _run("git", "--git-dir", str(folder), "ls-tree", "-r", "-z", commit)
    files = []
    for line in listed.split(b"\0"):
        kind, _, path = line.partition(b"\t")
        if kind.startswith(b"100"):  # neither a link nor another repository
            files.append(RepositoryFile(path.decode(errors="replace"), kind.split()[2].decode()))
    return files


def read_blobs(folder: Path, blobs: Iterable[str]) -> Iterator[bytes | None]:
    """Yield the content of each blob; ``None`` if the repository does not have it."""
    command = ["git", "--git-dir", str(folder), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as git:
        assert git.stdin is not None
        assert git.stdout is not None
        for blob in blobs:
            git.stdin.write(f"{blob}\n".encode())
            git.stdin.flush()
            head = git.stdout.readline().split()
            if len(head) != 3:
                yield None
                continue
            content = git.stdout.read(int(head[2]))
            git.stdout.read(1)  # the end of the line
            yield content
        git.stdin.close()


def _has_commit(folder: Path, commit: str) -> bool:
    command = ["git", "--git-dir", str(folder), "cat-file", "-e", f"{commit}^{{tree}}"]
    return folder.is_dir() and subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def _run(*command: str) -> bytes:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
