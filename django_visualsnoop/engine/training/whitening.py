"""Learn what ``engine/lite0`` does with the features of its network, from listed photographs.

    python -m django_visualsnoop.engine.training.whitening OUT [--snapshots FOLDER] [--choose]

OUT is the folder for ``whitening.npz``. The photographs are those that ``photographs.txt.xz`` in it
lists, by repository, path and SHA-256; ``--choose`` writes this list first.

The photographs are halved by their digests. From one half, this learns:

* the mean, and the projection to the directions of the largest variance, each scaled to the same
  variance (H. Jégou, O. Chum, Negative evidences and co-occurences in image retrieval: the benefit
  of PCA and whitening, ECCV 2012). A share of the mean variance is added to each before. Which
  share finds most pictures of one kind is tried within this half;
* a rotation, which no cosine depends on, but after which the signs tell more (Y. Gong,
  S. Lazebnik, Iterative quantization, CVPR 2011).

From pairs of the other half, it learns how likely two pictures show the same kind of thing, given
the cosine of their embeddings: a logistic function, for pairs half of which do. Folders are kinds.
For a pair of one kind, the dice choose a kind, then two of its pictures; for others, two kinds and
a picture of each.
"""

from __future__ import annotations

import argparse
import lzma
import re
import sys
from collections import Counter, defaultdict
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.lite0.model import compute_features
from django_visualsnoop.engine.lite0.whitening import Whitening, encode_embeddings
from django_visualsnoop.engine.training.repositories import (
    list_files,
    open_repository,
    read_blobs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

SEED = 20261130
#: Values of an embedding.
DIMENSIONS = 256
#: Shares of the mean variance to try.
STRENGTHS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
#: Pictures of each kind at most, and of sets without kinds.
_PER_KIND, _OF_UNKNOWN_KIND = 40, 400
#: Steps of the rotation.
_TURNS = 50
#: Pairs of each sort for the logistic function.
_PAIRS = 60_000
LIST = "photographs.txt.xz"
RESULT = "whitening.npz"
#: What a photograph is for.
LEARN, CALIBRATE = "learn", "calibrate"

#: The path of a photograph in each repository; the group is its kind. Photographs of sets without
#: a group are for learning only.
SETS = {
    # Caltech 101, without its faces and the pictures of anything.
    "taibarehm/CVassimgement": re.compile(r"^caltech-101/(?!Faces|BACKGROUND)([^/]+)/"),
    # UC Merced Land Use.
    "siddhant3c/GNR638_Assignment1": re.compile(r"^data/[^/]+/([^/]+)/"),
    # Flowers of Oxford's set.
    "daniele-gilio/Machine-Learning-Class": re.compile(r"^lab3/flowers/(?:train|test)/([^/]+)/"),
    "ardamavi/Dog-Cat-Classifier": re.compile(r"^Data/Train_Data/([^/]+)/"),
    "maxogden/cats": re.compile(r"^(cat)_photos/"),
    "dsw88/cs601r-project1-dataset": re.compile(r"^dataset/(bird|butterfl)(?:s/|ies/images/)"),
    "D3Ext/aesthetic-wallpapers": re.compile(r"^images/"),
    "photoprism/photoprism": re.compile(r"^assets/examples/"),
}
#: One kind under two names.
_SAME = {"butterfl": "butterfly"}
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class Photograph(NamedTuple):
    """A listed file of a public repository."""

    repository: str
    path: str
    digest: str
    #: ``LEARN`` or ``CALIBRATE``.
    use: str

    @property
    def kind(self) -> str | None:
        return _read_kind(self.repository, self.path)


def _read_kind(repository: str, path: str) -> str | None:
    found = SETS[repository].search(path)
    if found is None or not found.groups():
        return None
    return _SAME.get(found[1], found[1])


class _Source(NamedTuple):
    """Where to read repositories; see ``open_repository``."""

    snapshots: Path | None
    clones: Path

    def read(self, repository: str, wanted: Iterable[str] | None = None) -> Iterator[_File]:
        """Yield the photographs of a repository, in the order of their paths.

        Args:
            repository: one of ``SETS``.
            wanted: paths; all that ``SETS`` describes if ``None``.
        """
        folder = open_repository(repository, snapshots=self.snapshots, clones=self.clones)
        chosen = None if wanted is None else set(wanted)
        files = sorted(
            file
            for file in list_files(folder, repository)
            if (
                SETS[repository].search(file.path) and file.path.lower().endswith(_SUFFIXES)
                if chosen is None
                else file.path in chosen
            )
        )
        contents = read_blobs(folder, (file.blob for file in files))
        for file, content in zip(files, contents, strict=True):
            if content is not None:
                yield _File(file.path, content)


class _File(NamedTuple):
    path: str
    content: bytes


def choose_photographs(source: _Source) -> list[Photograph]:
    """Return some photographs of each kind, those with the smallest digests."""
    found: dict[str, Photograph] = {}
    for repository in SETS:
        for path, content in source.read(repository):
            digest = sha256(content).hexdigest()
            use = LEARN if int(digest[0], 16) % 2 else CALIBRATE
            found.setdefault(digest, Photograph(repository, path, digest, use))
    taken: Counter[tuple[str, str | None]] = Counter()
    chosen = []
    for _, photograph in sorted(found.items()):
        kind = photograph.kind
        most = _OF_UNKNOWN_KIND if kind is None else _PER_KIND
        place = (photograph.repository, kind)
        if taken[place] < most and (kind is not None or photograph.use == LEARN):
            taken[place] += 1
            chosen.append(photograph)
    return sorted(chosen)


def write_list(path: Path, photographs: Iterable[Photograph]) -> None:
    lines = ("\t".join(photograph) + "\n" for photograph in photographs)
    path.write_bytes(lzma.compress("".join(lines).encode(), preset=9))


def read_list(path: Path) -> list[Photograph]:
    lines = lzma.decompress(path.read_bytes()).decode().splitlines()
    return [Photograph(*line.split("\t")) for line in lines]


def describe_photographs(source: _Source, photographs: Iterable[Photograph]) -> dict[str, Floats]:
    """Return the network's features of photographs, by digest.

    Raises:
        SystemExit: a repository does not have one of them.
    """
    by_repository: dict[str, dict[str, str]] = defaultdict(dict)
    for photograph in photographs:
        by_repository[photograph.repository][photograph.path] = photograph.digest
    features: dict[str, Floats] = {}
    for repository, wanted in by_repository.items():
        for path, content in source.read(repository, wanted):
            if sha256(content).hexdigest() == wanted[path]:
                features[wanted[path]] = compute_features(decode(content).pixels)
        missing = set(wanted.values()) - features.keys()
        if missing:
            raise SystemExit(f"{repository} lacks {len(missing)} of the listed photographs.")
    return features


class _Directions(NamedTuple):
    """The directions of the largest variance of n pictures."""

    mean: Floats
    #: ``DIMENSIONS`` columns.
    vectors: Floats
    #: ``DIMENSIONS``; the largest first.
    variances: Floats

    def build_projection(self, strength: float) -> Floats:
        """Return what scales each direction to the same variance.

        Args:
            strength: share of the mean variance that is added to each.
        """
        scales: Floats = self.variances + strength * self.variances.mean()
        return self.vectors / np.sqrt(scales)


def learn_directions(features: Floats) -> _Directions:
    """Return the mean and the directions of n x values."""
    mean = features.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov((features - mean).T))
    order = np.argsort(-variances)[:DIMENSIONS]
    return _Directions(mean, vectors[:, order], variances[order])


def choose_strength(features: Floats, kinds: NDArray[np.str_]) -> float:
    """Return the best of ``STRENGTHS``: each quarter is described by what the other tells.

    The best is that with the most pictures of its own kind among the five closest.
    """
    quarters = np.arange(len(features)) % 2 == 0
    scores = dict.fromkeys(STRENGTHS, 0.0)
    for learned, tried in ((quarters, ~quarters), (~quarters, quarters)):
        directions = learn_directions(features[learned])
        several = tried & (kinds != "")
        for strength in STRENGTHS:
            projected = (features[several] - directions.mean) @ directions.build_projection(
                strength
            )
            scores[strength] += compute_precision(projected, kinds[several]) / 2
    for strength, score in scores.items():
        print(f"strength {strength}: P@5 {score:.4f}")  # noqa: T201
    return max(STRENGTHS, key=scores.__getitem__)


def compute_precision(vectors: Floats, kinds: NDArray[np.str_], among: int = 5) -> float:
    """Return the share of the closest others, by cosine, that are of a vector's own kind."""
    unit = _scale_to_unit(vectors)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    closest = np.argsort(-cosines, axis=1)[:, :among]
    return float((kinds[closest] == kinds[:, None]).mean())


def learn_rotation(vectors: Floats, dice: Generator) -> Floats:
    """Return the rotation after which the signs of n vectors tell most; see the module."""
    unit = _scale_to_unit(vectors)
    rotation, _ = np.linalg.qr(dice.normal(size=(unit.shape[1], unit.shape[1])))
    for _ in range(_TURNS):
        left, _, right = np.linalg.svd(unit.T @ np.sign(unit @ rotation))
        rotation = left @ right
    return rotation


def fit_logistic(cosines: Floats, same: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset of the probability ``1 / (1 + exp(-(slope * cosine + offset)))``."""
    inputs = np.stack([cosines, np.ones(len(cosines))], axis=1)
    weights = np.zeros(2)
    for _ in range(100):  # Newton's steps
        probable = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (probable - same)
        curvature = (inputs * (probable * (1 - probable))[:, None]).T @ inputs
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def draw_pairs(
    vectors: Floats, kinds: NDArray[np.str_], dice: Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the cosines of pairs, and which are of one kind: half of them."""
    unit = _scale_to_unit(vectors)
    members = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
    members = [places for places in members if len(places) > 1]
    first, second = [], []
    for _ in range(_PAIRS):
        one, other = dice.choice(members[dice.integers(len(members))], 2, replace=False)
        first.append(one)
        second.append(other)
    for _ in range(_PAIRS):
        one, other = dice.choice(len(members), 2, replace=False)
        first.append(dice.choice(members[one]))
        second.append(dice.choice(members[other]))
    cosines: Floats = np.einsum("nk,nk->n", unit[first], unit[second])
    return cosines, np.arange(2 * _PAIRS) < _PAIRS


def _scale_to_unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.maximum(lengths, 1e-9)
    return unit


def learn(photographs: list[Photograph], features: dict[str, Floats]) -> Whitening:
    """Return what is learned from photographs; see the module."""
    halves = {}
    for use in (LEARN, CALIBRATE):
        own = sorted((one for one in photographs if one.use == use), key=lambda one: one.digest)
        values = np.array([features[one.digest] for one in own], dtype=np.float64)
        halves[use] = (values, np.array([one.kind or "" for one in own]))
    values, kinds = halves[LEARN]
    strength = choose_strength(values, kinds)
    directions = learn_directions(values)
    projection = directions.build_projection(strength)
    dice = np.random.default_rng(SEED)
    projection = projection @ learn_rotation((values - directions.mean) @ projection, dice)
    steps = np.abs(projection).max(axis=0) / 127
    whitening = Whitening(
        directions.mean.astype(np.float32),
        np.rint(projection / steps).astype(np.int8),
        steps.astype(np.float32),
        np.zeros(2),
    )
    values, kinds = halves[CALIBRATE]
    vectors = encode_embeddings(values.astype(np.float32), whitening)
    for among in (1, 5):
        scores = [compute_precision(each, kinds, among) for each in (values, vectors.astype(float))]
        print(f"P@{among}: features {scores[0]:.4f}, embeddings {scores[1]:.4f}")  # noqa: T201
    cosines, same = draw_pairs(vectors.astype(np.float64), kinds, dice)
    logistic = fit_logistic(cosines, same)
    print(f"slope and offset: {logistic}")  # noqa: T201
    probable = 1 / (1 + np.exp(-(logistic[0] * cosines + logistic[1])))
    for start in np.arange(10) / 10:
        of_these = (probable >= start) & (probable < start + 0.1)
        print(  # noqa: T201
            f"{start:.1f}: {of_these.sum():6} pairs, said {probable[of_these].mean():.3f}, "
            f"true {same[of_these].mean():.3f}"
        )
    return whitening._replace(logistic=np.array(logistic))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--snapshots", type=Path, help="folder of repositories; see repositories")
    parser.add_argument(
        "--clones", type=Path, default=Path(gettempdir()), help="folder for clones, which are kept"
    )
    parser.add_argument("--choose", action="store_true", help="write the list of photographs first")
    given = parser.parse_args(arguments)
    source = _Source(given.snapshots, given.clones)
    if given.choose:
        write_list(given.out / LIST, choose_photographs(source))
    photographs = read_list(given.out / LIST)
    whitening = learn(photographs, describe_photographs(source, photographs))
    with (given.out / RESULT).open("wb") as file:
        np.savez_compressed(file, **whitening._asdict())
    digest = sha256((given.out / RESULT).read_bytes()).hexdigest()
    sys.stdout.write(f"{RESULT}: SHA-256 {digest}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
