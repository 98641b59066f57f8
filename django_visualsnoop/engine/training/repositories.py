"""Read files of public Git repositories, each at one commit, without a work tree."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: Where repositories are cloned from.
ADDRESS = "https://github.com/{}"
#: The commit to read of each repository.
COMMITS = {
    "abin24/Magnetic-tile-defect-datasets.": "cc4eb530b57b9cb7225bf76023873043ffd50655",
    "ardamavi/Dog-Cat-Classifier": "9e4f1e1b8eb00fb52c7b1f7e271e573cbe5a2d2f",
    "catppuccin/wallpapers": "72f67e1e198cf07bdfd30f70c074a946e5dc64b4",
    "D3Ext/aesthetic-wallpapers": "e34f05935c5b768f4c016b0893924d18ec1dba61",
    "daniele-gilio/Machine-Learning-Class": "35496a1435a27a0818a486fbe6472e7b4325f983",
    "drewnoakes/metadata-extractor-images": "4beba640487802442bc9931fb01274e908102d3a",
    "dsw88/cs601r-project1-dataset": "b01a8ebbd54c247e99699d3ff2576a63ff414549",
    "ianare/exif-samples": "5332a9cf0220e9c6c93f88a187daa90808051e10",
    "jacebrowning/memegen": "aa0fc3af4dd1c669cc35039a7d8efcca7d4eb98a",
    "KDE/plasma-workspace-wallpapers": "1b705475cc181da87ad1af0266cc7ebda3d8e9d5",
    "lessthanoptimal/ValidationBoof": "31882866d3240479d05309e85dd9d825e9323ec5",
    "magento/magento2-sample-data": "53807565ba9f23c9409268c02bb995cf39ef553d",
    "marcusklasson/GroceryStoreDataset": "fc80ba90f803d79d0383df52c5a4ac5de99ff6fc",
    "maxogden/cats": "97329b40d7bf3e0fc05314f7d1422e8c08a95a1a",
    "OCR-D/assets": "d004ab7211fb3d57801e783b184a7ded1e2f5e4b",
    "openMVG/ImageDataset_SceauxCastle": "fde7f5faba555e3c54700477c304488613346a19",
    "photoprism/photoprism": "382ffa89927f9fa2aca6ab83481177e0d81dd405",
    "scikit-image/scikit-image": "cd0a3d22b9f359f05618d75d5c7a29b91b4951ca",
    "serizba/vision": "16a8a47ea88abb31d9b61b81dbbe09347bf72385",
    "siddhant3c/GNR638_Assignment1": "e6ad4f752b24ba5051c4c3d9924dfc55478eef5a",
    "taibarehm/CVassimgement": "5e5ee696e6576f6ed4c674e3763f77e40242332a",
    "udacity/CarND-Advanced-Lane-Lines": "91b080357290da37f533e2d0832f601c3e770d51",
    "udacity/CarND-Camera-Calibration": "a9c8b5bb885806e96cc431d1c92a6ae0bd6962ee",
    "zxing/zxing": "7f129804e396958ae762da288da5df330d142da0",
}


class RepositoryFile(NamedTuple):
    path: str
    #: Name of its content: equal files have equal names.
    blob: str


def open_repository(repository: str, *, snapshots: Path | None, clones: Path) -> Path:
    """Return the git directory of a repository that has its commit; clone it if need be.

    Args:
        repository: ``owner/name``, one of ``COMMITS``.
        snapshots: folder with ``owner+name/repo``, a bare git directory or a clone; clone from
            ``ADDRESS`` if ``None``.
        clones: folder for clones, which are kept.
    """
    name, commit = repository.replace("/", "+"), COMMITS[repository]
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


def list_files(folder: Path, repository: str) -> list[RepositoryFile]:
    """Return all files of the repository's commit."""
    listed = _run("git", "--git-dir", str(folder), "ls-tree", "-r", "-z", COMMITS[repository])
    files = []
    for line in listed.split(b"\0"):
        kind, _, path = line.partition(b"\t")
        if kind.startswith(b"100"):  # neither a link nor another repository
            files.append(RepositoryFile(path.decode(errors="replace"), kind.split()[2].decode()))
    return files


def read_blobs(folder: Path, blobs: Iterable[str]) -> Iterator[bytes | None]:
    """Yield the content of each blob; ``None`` if the repository does not have it."""
    command = ["git", "--git-dir", str(folder), "cat-file", "--batch"]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as git:
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
    if not folder.is_dir():
        return False
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0  # noqa: S603


def _run(*command: str) -> bytes:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603
