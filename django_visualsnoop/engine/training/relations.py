"""Fit the trees that tell copies, variants and other shots apart; see ``matching.relation``.

    python -m django_visualsnoop.engine.training.relations FOLDER [--held-out] [--snapshots FOLDER]

The pictures are those of the public repositories in ``public_pictures.SETS``, which are cloned into
the folder, or read from ``--snapshots``; see ``repositories``. This needs scikit-learn. All dice
are seeded.
"""

from __future__ import annotations

import argparse
import lzma
import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.common.search_options import COPY, SHOT, VARIANT
from django_visualsnoop.engine.descriptors.describe import describe
from django_visualsnoop.engine.descriptors.thumbnail import Thumbnail
from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.difference import EVIDENCE
from django_visualsnoop.engine.matching.relation import FIRST_STAGE, PATH
from django_visualsnoop.engine.training.augment import shrink_to
from django_visualsnoop.engine.training.boosting import fit_trees
from django_visualsnoop.engine.training.public_pictures import (
    COPY_OR_VARIANT,
    NONE,
    NOT_COPY,
    SETS,
    SHOT_OR_NONE,
    PublicPicture,
    read_pictures,
)
from django_visualsnoop.engine.training.related_pairs import (
    DRAWN,
    DescribedPicture,
    RelatedPair,
    compare_described,
    compare_drawn,
    compare_edited,
    list_candidates,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.common.search_options import Relation
    from django_visualsnoop.engine.images.decode import Pixels
    from django_visualsnoop.engine.matching.trees import BoostedTrees

SEED = 20261129
#: Pictures of each set that are edited.
EDITED = 24
#: The longer side of the pictures that are edited, in pixels.
EDITED_SIDE = 448
#: Number of pictures that are edited together; look-alikes are drawn with the first ones.
TOGETHER = 50
#: Pairs of one relation of one source have no more weight than this many.
MOST_OF_A_SOURCE = 400
#: … except edited ones, whose sources are all sets together.
MOST_EDITED = 4000
#: Weight of a pair that is not of a relation: galleries hold more of them.
OTHER = 2.5
#: The relations that each model takes together, and one that says nothing to it.
CLOSER = {
    COPY: (COPY,),
    VARIANT: (COPY, COPY_OR_VARIANT, VARIANT),
    SHOT: (COPY, COPY_OR_VARIANT, VARIANT, SHOT),
}
UNKNOWN = {
    COPY: (COPY_OR_VARIANT,),
    VARIANT: (NOT_COPY,),
    SHOT: (NOT_COPY, SHOT_OR_NONE),
}
#: Weights of drawn pairs where the models of variants and shots are fitted: pages that share a
#: frame outnumber heavily edited pictures.
DRAWN_WEIGHTS = {NONE: 6.0, COPY_OR_VARIANT: 0.5}
#: Parts of the sets; each is judged by trees fitted to the others.
FOLDS = 6


class _Prepared(NamedTuple):
    picture: DescribedPicture
    #: The picture, if it is to be edited.
    pixels: Pixels | None


def _prepare(source: tuple[PublicPicture, bool]) -> _Prepared | None:
    """Return a described picture; ``None`` if the engine refuses the file."""
    picture, is_edited = source
    cv2.setNumThreads(1)
    try:
        pixels = decode(picture.content).pixels
    except DecodeError:
        return None
    descriptor = describe(pixels, sha256(picture.content).digest())
    if descriptor.thumbnail is not None:
        # As it is stored, without the pixels that it is made of.
        descriptor = descriptor._replace(thumbnail=Thumbnail(descriptor.thumbnail.content))
    described = DescribedPicture(picture.repository, picture.path, picture.digest, descriptor)
    return _Prepared(described, shrink_to(pixels, EDITED_SIDE) if is_edited else None)


def _read_sets(snapshots: Path | None, clones: Path) -> Iterator[tuple[PublicPicture, bool]]:
    """Yield all pictures, and whether each is to be edited."""
    for repository in SETS:
        found = list(read_pictures(repository, snapshots=snapshots, clones=clones))
        step = max(1, len(found) // EDITED)
        yield from ((one, number % step == 0) for number, one in enumerate(found))


def collect_pairs(
    snapshots: Path | None, clones: Path
) -> tuple[list[DescribedPicture], list[RelatedPair]]:
    """Return all pictures of all sets, and all pairs with known relations."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        prepared = [
            one for one in pool.map(_prepare, _read_sets(snapshots, clones), chunksize=8) if one
        ]
        pictures = [one.picture for one in prepared]
        edited = [one.pixels for one in prepared if one.pixels is not None]
        order = np.random.default_rng(SEED).permutation(len(edited)).tolist()
        parts = [
            [edited[number] for number in order[start : start + TOGETHER]]
            for start in range(0, len(order), TOGETHER)
        ]
        made = [pool.submit(_compare_drawn, parts[0])]
        made += [pool.submit(_compare_edited, part, seed) for seed, part in enumerate(parts)]
        real = _compare_all(pictures)
        return pictures, [*real, *(pair for one in made for pair in one.result())]


def _compare_edited(pictures: list[Pixels], seed: int) -> list[RelatedPair]:
    cv2.setNumThreads(1)
    return list(compare_edited(pictures, np.random.default_rng([SEED, seed, 0])))


def _compare_drawn(pictures: list[Pixels]) -> list[RelatedPair]:
    cv2.setNumThreads(1)
    return list(compare_drawn(pictures, np.random.default_rng([SEED, 0, 1])))


def _compare_all(pictures: Sequence[DescribedPicture]) -> Iterator[RelatedPair]:
    done: set[tuple[int, int]] = set()
    for number, others in list_candidates([one.descriptor for one in pictures]):
        new = [other for other in others if (other, number) not in done]
        done |= {(number, other) for other in new}
        yield from compare_described(pictures, number, new)


def fit_models(pairs: Sequence[RelatedPair]) -> dict[str, BoostedTrees]:
    """Return the trees of each relation."""
    return {relation: fit_model(pairs, relation) for relation in CLOSER}


def fit_model(pairs: Sequence[RelatedPair], relation: Relation) -> BoostedTrees:
    """Return the trees that tell whether pairs are related at least that closely."""
    known = [one for one in pairs if one.relation not in UNKNOWN[relation]]
    truth = np.array([one.relation in CLOSER[relation] for one in known])
    weights = _weigh(known) * np.where(truth, 1.0, OTHER)
    if relation != COPY:
        drawn = [DRAWN_WEIGHTS[one.relation] if one.source == DRAWN else 1.0 for one in known]
        weights *= np.array(drawn)
    return fit_trees(np.stack([one.inputs for one in known]), truth, weights, SEED)


def _weigh(pairs: Sequence[RelatedPair]) -> NDArray[np.float64]:
    counts = Counter((one.source, one.relation) for one in pairs)
    most = [MOST_OF_A_SOURCE if one.places else MOST_EDITED for one in pairs]
    return np.array(
        [
            min(1.0, limit / counts[one.source, one.relation])
            for one, limit in zip(pairs, most, strict=True)
        ]
    )


def save(models: dict[str, BoostedTrees], path: Path) -> None:
    stored = {
        f"{name}_{field}": value
        for name, model in models.items()
        for field, value in model._asdict().items()
    }
    np.savez_compressed(path, evidence=np.array([*FIRST_STAGE, *EVIDENCE]), **stored)


def judge_held_out(pairs: Sequence[RelatedPair]) -> dict[tuple[str, str], list[float]]:
    """Return the chance of a copy of each pair, by trees that saw none of its set.

    Returns:
        Chances by source and relation. Edited pairs are judged by trees fitted to the other half
        of them.
    """
    sources = sorted({one.source for one in pairs if one.places})
    found = defaultdict(list)
    edited_fold = np.random.default_rng(SEED).integers(0, FOLDS, len(pairs)).tolist()
    folds = [
        sources.index(one.source) % FOLDS if one.places else edited_fold[number]
        for number, one in enumerate(pairs)
    ]
    for fold in range(FOLDS):
        rest = [one for one, own in zip(pairs, folds, strict=True) if own != fold]
        model = fit_model(rest, COPY)
        for one, own in zip(pairs, folds, strict=True):
            if own == fold:
                odds = np.clip(model.predict(one.inputs), -30, 30)
                found[one.source, one.relation].append(float(1 / (1 + np.exp(-odds))))
    return found


def report(found: dict[tuple[str, str], list[float]]) -> Iterable[str]:
    """Yield a line for each kind of pairs: how many, and the shares called copies."""
    for (source, relation), chances in sorted(found.items()):
        shares = "  ".join(f"{np.mean(np.array(chances) >= least):.3f}" for least in (0.5, 0.9))
        yield f"{source:45}{relation:14}{len(chances):7,}  {shares}"


def write_list(
    path: Path, pictures: Sequence[DescribedPicture], pairs: Sequence[RelatedPair]
) -> None:
    """Write the real pairs by repository, path and digest."""
    with lzma.open(path, "wt", encoding="utf-8", newline="\n") as file:
        file.write(
            "repository\tpath\tsha256\tother_repository\tother_path\tother_sha256\trelation\n"
        )
        for pair in pairs:
            if pair.places is not None:
                named = [field for place in pair.places for field in pictures[place][:3]]
                file.write("\t".join([*named, pair.relation]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where clones are kept")
    parser.add_argument(
        "--snapshots", type=Path, help="folder with git directories OWNER+NAME/repo"
    )
    parser.add_argument("--to", type=Path, default=PATH, help="the file to write")
    parser.add_argument("--list", type=Path, help="also write an .xz file that lists real pairs")
    parser.add_argument(
        "--held-out", action="store_true", help="judge each set by trees that saw none of it"
    )
    arguments = parser.parse_args()
    pictures, pairs = collect_pairs(arguments.snapshots, arguments.folder)
    if arguments.list is not None:
        write_list(arguments.list, pictures, pairs)
    save(fit_models(pairs), arguments.to)
    sys.stdout.write(f"{len(pictures):,} pictures, {len(pairs):,} pairs, seed {SEED}\n")
    if arguments.held_out:
        sys.stdout.writelines(f"{line}\n" for line in report(judge_held_out(pairs)))


if __name__ == "__main__":
    main()
