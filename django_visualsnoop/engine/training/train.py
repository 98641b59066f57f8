"""Learn the descriptor's matrices and its calibration from a folder of photographs.

    python -m django_visualsnoop.engine.training.train FOLDER [--weights-only]

Each file in the folder shows a different scene. This reads nothing else; all dice are
seeded. The calibration is fitted to pairs of photographs that the projection
was not learned from: the photographs are halved, and the values learned from each half
describe the other.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from django_visualsnoop.engine.descriptors import weights
from django_visualsnoop.engine.descriptors.describe import LEARNED
from django_visualsnoop.engine.descriptors.dihedral import FIRST, SECOND, compute_bases
from django_visualsnoop.engine.descriptors.global_features import (
    SIZE,
    compute_global_features,
    compute_permutations,
)
from django_visualsnoop.engine.descriptors.local_features import (
    HALF_WORDS,
    MIRRORED_BINS,
    compute_sift,
)
from django_visualsnoop.engine.descriptors.weights import Learned
from django_visualsnoop.engine.images.decode import WORK_SIDE
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.training import fit
from django_visualsnoop.engine.training.augment import edit, shrink_to

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

    Floats = NDArray[np.floating]

SEED = 20261124
EDITS = 24
#: The longer side, in pixels, of the pictures that are edited for learning.
SCENE_SIDE = 288
#: Number of features from which the words are made.
CLUSTERED = 50_000
#: Share of the mean variance that is added to the scatter within classes.
REGULARISED = 0.1
#: Photographs with a shorter side of at least this also give their quarters, as separate
#: scenes.
_LARGE = 900


def read_scenes(path: Path) -> list[Pixels]:
    """Return the photograph, at ``WORK_SIDE``, and the quarters of a large one, smaller."""
    whole = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), dtype=np.uint8)[..., ::-1]
    height, width = whole.shape[:2]
    parts = [whole]
    if min(height, width) >= _LARGE:
        middle, centre = height // 2, width // 2
        parts += [whole[:middle, :centre], whole[:middle, centre:]]
        parts += [whole[middle:, :centre], whole[middle:, centre:]]
    found: list[Pixels] = []
    for part in parts:
        side = SCENE_SIDE if found else WORK_SIDE
        found.append(shrink_to(np.ascontiguousarray(part), side))
    return found


def compute_projection(
    classes: list[list[Floats]],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Return mean, projection and kinds by a discriminant analysis that respects turns.

    If every turned picture were a class of its own, the scatter matrices would commute with the
    turns. So this analyses each kind of values (see ``dihedral``) separately, without turning
    anything.

    Args:
        classes: the global features of the edits of each scene.
    """
    everything = np.concatenate([np.stack(one) for one in classes])
    turns = compute_permutations()
    mean = everything.mean(axis=0)[turns].mean(axis=0)
    centres = np.stack([np.mean(one, axis=0) for one in classes]) - mean
    within = np.concatenate([np.stack(one) - np.mean(one, axis=0) for one in classes])
    ridge = REGULARISED * float((within**2).sum() / within.size)
    found: list[tuple[float, int, Floats]] = []
    quarter = np.eye(SIZE)[turns[1]]
    for kind, basis in enumerate(compute_bases(turns)):
        sides = [basis, quarter.T @ basis] if kind == FIRST else [basis]
        inside = _compute_scatter(within, sides) + ridge * np.eye(basis.shape[1])
        between = _compute_scatter(centres, sides)
        root = np.linalg.inv(np.linalg.cholesky(inside))
        values, vectors = np.linalg.eigh(root @ between @ root.T)
        directions = basis @ root.T @ vectors
        found += [(float(value), kind, directions[:, n]) for n, value in enumerate(values)]
    found.sort(key=lambda one: -one[0])
    columns: list[Floats] = []
    kinds: list[int] = []
    for _, kind, direction in found:
        pair = [direction, quarter.T @ direction] if kind == FIRST else [direction]
        if len(columns) + len(pair) <= LEARNED:
            columns += pair
            kinds += [FIRST, SECOND] if kind == FIRST else [kind]
    return (
        mean.astype(np.float32),
        np.stack(columns, axis=1).astype(np.float32),
        np.array(kinds, dtype=np.uint8),
    )


def _compute_scatter(rows: Floats, sides: list[Floats]) -> Floats:
    products = [rows @ side for side in sides]
    scatter: Floats = np.mean([one.T @ one / len(rows) for one in products], axis=0)
    return scatter


def compute_local_projection(
    descriptors: Floats, dice: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and projection of RootSIFT descriptors (n x 128).

    The projection has the principal components of the symmetric and of the antisymmetric part, 32
    each, rotated so that the signs keep most of them (Y. Gong, S. Lazebnik, Iterative quantization,
    CVPR 2011).
    """
    mirror = np.eye(128)[MIRRORED_BINS]
    mean = descriptors.mean(axis=0)
    mean = (mean + mean[MIRRORED_BINS]) / 2
    columns = []
    for sign in (1, -1):
        part = (descriptors - mean) @ ((np.eye(128) + sign * mirror) / 2)
        _, vectors = np.linalg.eigh(part.T @ part)
        components = vectors[:, ::-1][:, :32]
        values = part @ components
        rotation = np.linalg.qr(dice.standard_normal((32, 32)))[0]
        for _ in range(40):
            left, _, right = np.linalg.svd(np.sign(values @ rotation).T @ values)
            rotation = (left @ right).T
        columns.append(components @ rotation)
    return mean.astype(np.float32), np.concatenate(columns, axis=1).astype(np.float32)


def cluster(values: Floats, count: int, dice: Generator, *, signed: bool = False) -> Floats:
    """Return centres by Lloyd's algorithm; ``signed``: a value may join the negative of one."""
    centres = values[dice.permutation(len(values))[:count]].astype(np.float32)
    for _ in range(12):
        both = np.concatenate([centres, -centres]) if signed else centres
        nearest = np.concatenate(
            [
                ((both**2).sum(axis=1) - 2 * (part @ both.T)).argmin(axis=1)
                for part in np.array_split(values, max(1, len(values) // 8192))
            ]
        )
        signs = np.where(nearest < count, np.float32(1), np.float32(-1))[:, None]
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest % count, values * signs)
        sizes = np.bincount(nearest % count, minlength=count)
        filled = sizes > 0
        centres[filled] = sums[filled] / sizes[filled, None]
    return centres


def learn(photos: list[list[Pixels]]) -> Learned:
    """Return all learned values except the calibration.

    Args:
        photos: for each photograph, the result of ``read_scenes``.
    """
    dice = np.random.default_rng(SEED)
    classes: list[list[Floats]] = []
    found: list[Floats] = []
    for scene in (scene for photo in photos for scene in photo):
        seen = [scene] + [edit(shrink_to(scene, SCENE_SIDE), dice) for _ in range(EDITS)]
        classes.append([compute_global_features(one)[0] for one in seen])
        found += [compute_sift(one)[1] for one in seen[:3]]
    descriptors = np.concatenate(found)
    roots = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6))
    mean, directions, kinds = compute_projection(classes)
    local_mean, local_directions = compute_local_projection(roots, dice)
    values = (roots - local_mean) @ local_directions
    values = values[dice.permutation(len(values))[:CLUSTERED]].astype(np.float32)
    words = cluster(values[:, :32], HALF_WORDS, dice)
    signed_words = cluster(values[:, 32:], HALF_WORDS // 2, dice, signed=True)
    weights = np.zeros(calibration.INPUTS, dtype=np.float32)
    return Learned(
        mean, directions, kinds, local_mean, local_directions,
        words.astype(np.float32), signed_words.astype(np.float32), weights,
    )  # fmt: skip


def save(made: Learned, path: Path) -> None:
    stored = {
        name: value if name in ("kinds", "weights") else value.astype(np.float16)
        for name, value in made._asdict().items()
    }
    np.savez_compressed(path, **stored)


def compare_half(paths: list[Path], half: int) -> fit.Pairs:
    """Return pairs of one half of the photographs, described by values learned from the other."""
    photos = [read_scenes(path) for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "learned.npz"
        save(learn(photos[half::2]), path)
        weights.use_file(path)
        dice = np.random.default_rng([SEED, half])
        return fit.build_pairs([photo[0] for photo in photos[1 - half :: 2]], dice)


def learn_from(paths: list[Path]) -> Learned:
    return learn([read_scenes(path) for path in paths])


def train(paths: list[Path], *, weights_only: bool) -> tuple[Learned, dict[str, float]]:
    """Return all learned values, and figures for the model card.

    Args:
        paths: paths of the photographs.
        weights_only: keep the shipped values except the calibration.
    """
    # In parallel, each in its own process, since they read different files.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        halves = [pool.submit(compare_half, paths, half) for half in (0, 1)]
        everything = None if weights_only else pool.submit(learn_from, paths)
        calibrated, figures = calibrate(*(one.result() for one in halves))
        made = weights.load_learned() if everything is None else everything.result()
    return made._replace(weights=calibrated), figures


def calibrate(one: fit.Pairs, other: fit.Pairs) -> tuple[NDArray[np.float32], dict[str, float]]:
    """Return the weights fitted to both halves' pairs, and figures for the model card."""
    both = one.joined(other)
    # Weights fitted to the other half's pairs also judge each half's.
    said = np.concatenate([one.rows @ fit.fit_logistic(other), other.rows @ fit.fit_logistic(one)])
    chances = 1 / (1 + np.exp(-np.clip(said, -30, 30)))
    figures = {
        "pairs": len(both.truth),
        "copies among them": int(both.truth.sum()),
        "log loss of held-out pairs": fit.compute_log_loss(chances, both.truth),
        "calibration error of held-out pairs": fit.compute_calibration_error(chances, both.truth),
    }
    return fit.fit_logistic(both), figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", type=Path, default=weights.PATH, help="the file to write")
    parser.add_argument(
        "--weights-only", action="store_true", help="fit the calibration anew, keep the rest"
    )
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.iterdir() if path.is_file())
    made, figures = train(paths, weights_only=arguments.weights_only)
    save(made, arguments.to)
    sys.stdout.write(f"{len(paths)} photographs, seed {SEED}\n")
    for name, value in figures.items():
        sys.stdout.write(f"{name}: {value:.4g}\n")


if __name__ == "__main__":
    main()
