"""How many copies the votes of local features find by keys, and in a budget of postings.

    python benchmarks/keys.py PHOTOS [--images 20000 1000000] [--half 0|1] [--photos 12]
        [--queries 100] [--budgets N] [--only-budgets] [--seed 16] [--snapshots FOLDER]
        [--cache FOLDER]

PHOTOS is a folder of photographs, halved as in copies.py; all are stored. Every fourth edit of
some photographs of one half is searched for (edits.py, unseen/), as a search for a file does. The
other pictures are those of three public repositories, and up to the number given, made-up ones:

* 60 look-alikes of each photograph of the half;
* half of the rest, each a look-alike of a real picture: all its features, changed;
* the others with 32 features each of four real pictures, changed.

A feature is changed as its 64 values are by normal noise of .3 of their deviation; then each bit
of the code flips with 1/32. Two in five keep their word. It prints how alike features of
different pictures are, real and made up.

Recall is the share of searches in which the original is among the 20 or 100 with the most votes,
equal ones in the middle; *worth comparing* those that have enough votes besides. Methods:

* ``all``: all postings of the words;
* ``rarest``: the budget of ``inverted.BUDGET`` spent on the shortest lists;
* ``memory``: as the memory index reads: what is too long is narrowed by the bits of keys;
* ``keys``: the postings whose keys are equal, with their codes;
* ``equal keys``: likewise without codes, as sparse vectors do.

``--budgets`` sets other budgets; a very large one reads all. The times are of the processor, of
``rarest`` and ``memory`` in turn for each search.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# One thread, as in a worker of a web server.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import edits
import numpy as np
import unseen
from copies import BACKGROUNDS, SEED, halved, machine
from PIL import Image

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.descriptors import local_features as local
from django_visualsnoop.engine.descriptors.featureless import is_featureless
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.index.base import Features
from django_visualsnoop.engine.index.keys import MAX_CODE_BITS, select_code_bits
from django_visualsnoop.engine.index.memory import inverted
from django_visualsnoop.engine.search import VOTED
from django_visualsnoop.engine.training.repositories import (
    list_files,
    open_repository,
    read_blobs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Places = NDArray[np.int64]

#: Repositories of other pictures, and how many pictures to take of each.
OTHERS = {
    "marcusklasson/GroceryStoreDataset": 3000,
    "serizba/vision": 2500,
    "dsw88/cs601r-project1-dataset": 2500,
}
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
LOOK_ALIKES = 60
NOISE = 0.3
#: How often each real feature is changed.
VARIANTS = 3
FEATURES = 128
_EVERY = 4
_ROWS = 20_000


class Pool(NamedTuple):
    """f features of n pictures; those of a picture are together."""

    #: f x 64; float16.
    values: NDArray[np.float16]
    #: n + 1; ``starts[k]`` to ``starts[k + 1]`` are the features of picture k.
    starts: Places


class Search(NamedTuple):
    views: list[Features]
    #: Number of the original in the pool.
    original: int
    known: bool


def sift_values(content: bytes) -> NDArray[np.float16] | None:
    """Return the 64 values of each stored feature of a picture; ``None`` without details."""
    try:
        pixels = decode(content).pixels
    except ValueError:
        return None
    _, descriptors = local.compute_sift(pixels)
    if is_featureless(pixels, len(descriptors)):
        return None
    return local.project(descriptors).astype(np.float16)


def read_others(snapshots: Path | None, clones: Path) -> Iterator[bytes]:
    for repository, most in OTHERS.items():
        folder = open_repository(repository, snapshots=snapshots, clones=clones)
        paths: dict[str, str] = {}
        for file in sorted(list_files(folder, repository)):
            if file.path.lower().endswith(_ENDINGS) and "segmentations" not in file.path:
                paths.setdefault(file.blob, file.path)
        drawn = sorted(paths, key=lambda blob: sha256(paths[blob].encode()).hexdigest())[:most]
        yield from filter(None, read_blobs(folder, drawn))


def build_pool(photos: Sequence[Path], snapshots: Path | None, cache: Path) -> Pool:
    """Return the features of the photographs, and then those of other pictures."""
    path = cache / "pool.npz"
    if not path.exists():
        found = [sift_values(photo.read_bytes()) for photo in photos]
        found = [np.empty((0, 64), np.float16) if one is None else one for one in found]
        others = (sift_values(content) for content in read_others(snapshots, cache))
        found += [one for one in others if one is not None]
        starts = np.cumsum([0, *(len(one) for one in found)])
        np.savez(path, values=np.concatenate(found), starts=starts)
    with np.load(path) as held:
        return Pool(held["values"], held["starts"])


def build_searches(
    halves: tuple[list[Path], list[Path]], half: int, count: int, cache: Path
) -> list[Search]:
    path = cache / f"searches-{half}-{count}.npz"
    if not path.exists():
        write_searches(halves, half, count, path)
    with np.load(path) as held:
        codes, words = (held[name] for name in ("codes", "words"))
        rows = held["rows"].tolist()
    searches: list[Search] = []
    code = word = 0
    last = -1
    for number, original, known, size, near in rows:
        view = Features(
            codes[code : code + size], words[word : word + size * near].reshape(size, near)
        )
        code, word = code + size, word + size * near
        if number != last:
            searches.append(Search([], original, bool(known)))
        searches[-1].views.append(view)
        last = number
    return searches


def write_searches(
    halves: tuple[list[Path], list[Path]], half: int, count: int, path: Path
) -> None:
    rows, codes, words = [], [], []
    behind = [Image.open(one).convert("RGB") for one in halves[1 - half][:BACKGROUNDS]]
    number = 0
    for place, photo in enumerate(halves[half][:count]):
        picture = Image.open(photo).convert("RGB")
        seed = f"{SEED} {photo.name}"
        for known, made in (
            (True, edits.edited(picture, seed, behind)),
            (False, unseen.edited(picture, seed, behind)),
            (False, unseen.edited(picture, seed, behind, families=unseen.LATER)),
        ):
            for edit, (_, content) in enumerate(made):
                if edit % _EVERY != place % _EVERY:
                    continue
                probes = describe.build_probes(decode(content).pixels)
                for one, near in zip(probes.pictures, probes.near_words, strict=True):
                    original = half * len(halves[0]) + place
                    rows.append((number, original, known, len(near), near.shape[1]))
                    codes.append(one.codes)
                    words.append(near.ravel())
                number += 1
    np.savez(path, rows=rows, codes=np.concatenate(codes), words=np.concatenate(words))


def encode(values: Floats) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    return local.find_near_words(values)[:, 0], local.encode_signs(values)


def build_variants(
    pool: Pool, seed: int, cache: Path
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Return words and codes of the real features, and of ``VARIANTS`` changed ones of each."""
    path = cache / f"variants-{seed}.npz"
    if not path.exists():
        dice = np.random.default_rng(seed)
        shape = VARIANTS + 1, len(pool.values)
        words, codes = np.empty(shape, np.uint32), np.empty(shape, np.uint64)
        deviation = pool.values[::16].astype(np.float32).std()
        for start in range(0, shape[1], _ROWS):
            rows = slice(start, start + _ROWS)
            real = pool.values[rows].astype(np.float32)
            for variant in range(VARIANTS + 1):
                noise = dice.standard_normal(real.shape, dtype=np.float32)
                noise *= NOISE * deviation * bool(variant)
                words[variant, rows], codes[variant, rows] = encode(real + noise)
        np.savez(path, words=words, codes=codes)
    with np.load(path) as held:
        return held["words"], held["codes"]


def build_index(
    pool: Pool, looked_for: range, images: int, seed: int, cache: Path
) -> inverted.Lists:
    """Return the lists of the pool, in slots as in the pool, and of made-up pictures."""
    paths = [
        cache / f"index-{images}-{looked_for.start}-{seed}-{name}.npy"
        for name in inverted.Lists._fields
    ]
    if not all(path.exists() for path in paths):
        lists = fill_index(pool, looked_for, images, seed, cache)
        for path, values in zip(paths, lists, strict=True):
            np.save(path, values)
    return inverted.Lists(*(np.load(path, mmap_mode="r").view(np.ndarray) for path in paths))


def fill_index(
    pool: Pool, looked_for: range, images: int, seed: int, cache: Path
) -> inverted.Lists:
    words, codes = build_variants(pool, seed, cache)
    dice = np.random.default_rng((seed, images))
    real = len(pool.starts) - 1
    sizes = np.diff(pool.starts)
    columns = [words[0]], [np.repeat(np.arange(real, dtype=np.uint32), sizes)], [codes[0]]
    bases = np.repeat(np.arange(looked_for.start, looked_for.stop), LOOK_ALIKES)
    bases = bases[: max(0, images - real)]
    rest = max(0, images - real - len(bases))
    with_details = np.flatnonzero(sizes)
    alike = np.concatenate([bases, dice.choice(with_details, rest // 2)])
    mixed = dice.choice(with_details, (rest - rest // 2, 4))
    slot = real
    # Rows of the pictures that the columns, made-up pictures, take their features from.
    for sources in (alike[:, None], mixed):
        share = FEATURES // sources.shape[1]
        for start in range(0, len(sources), _ROWS):
            some = sources[start : start + _ROWS, :, None]
            size = np.maximum(1, sizes[some])
            # From a random one on, so that few are taken twice.
            steps = dice.integers(0, size) + np.arange(share)
            features = (pool.starts[some] + steps % size).reshape(len(some), FEATURES)
            features = np.minimum(features, len(pool.values) - 1)
            variants = dice.integers(1, VARIANTS + 1, features.shape)
            flips = dice.integers(0, 2**64, (5, *features.shape), dtype=np.uint64)
            columns[0].append(words[variants, features].ravel())
            slots = np.arange(slot, slot + len(some), dtype=np.uint32)
            columns[1].append(np.repeat(slots, FEATURES))
            changed = codes[variants, features] ^ np.bitwise_and.reduce(flips, axis=0)
            columns[2].append(changed.ravel())
            slot += len(some)
    return inverted.build_lists(*map(np.concatenate, columns))


def describe_likeness(lists: inverted.Lists, slots: range, dice: np.random.Generator) -> str:
    """Return how alike the features of some pictures are that have one word, but are of others."""
    inside = (lists.slots >= slots.start) & (lists.slots < slots.stop)
    words = np.repeat(np.arange(len(lists.words)), np.diff(lists.starts))[inside]
    own, codes = lists.slots[inside], lists.codes[inside]
    firsts = np.searchsorted(words, words)
    counts = np.searchsorted(words, words, side="right") - firsts
    some = dice.integers(0, len(words), 500_000)
    others = firsts[some] + (dice.random(len(some)) * counts[some]).astype(np.int64)
    apart = own[some] != own[others]
    weights = counts[some][apart] / len(some)
    differing = codes[some][apart] ^ codes[others][apart]
    close = weights[np.bitwise_count(differing) <= inverted.FARTHEST].sum() / weights.sum()
    equal = weights[select_code_bits(differing) < 16].sum() / weights.sum()
    rate = weights.sum() / len(slots) * 1e5
    return (
        f"{rate:.0f} features in 100,000 others share a feature's word; {close:.2f} of them have a "
        f"close code, {equal:.3f} its key of 12 bits"
    )


class Counted(NamedTuple):
    """What a method found in one search."""

    #: Number of images with more votes than the original.
    rank: int
    votes: float
    postings: int


def count(hits: inverted.ClosePostings, original: int, postings: int) -> Counted:
    slots, votes, _ = inverted.count_votes(hits)
    place = int(np.searchsorted(slots, original))
    if place == len(slots) or slots[place] != original:
        return Counted(len(slots) + 10**6, 0.0, postings)
    mine = votes[place]
    equal = int(np.count_nonzero(votes == mine)) - 1
    return Counted(int(np.count_nonzero(votes > mine)) + equal // 2, float(mine), postings)


def search_all(
    lists: inverted.Lists, search: Search, probes: inverted.WordProbes
) -> Iterator[tuple[str, Counted]]:
    """Yield what each method finds that reads some of the postings of the words."""
    starts, counts = inverted.find_lists(lists, probes.words)
    places = inverted.expand_runs(starts, counts)
    which = np.repeat(np.arange(len(counts)), counts)
    differing = lists.codes[places] ^ probes.codes[which]
    distances = np.bitwise_count(differing)
    bits = select_code_bits(differing)
    close = distances <= inverted.FARTHEST
    slots, features = lists.slots[places].astype(np.int64), probes.features[which]
    hits = inverted.ClosePostings(slots, features, distances, np.zeros(len(slots), np.int64))

    def read(wanted: NDArray[np.bool_], counted: NDArray[np.bool_]) -> Counted:
        chosen = hits.select(wanted & counted)
        return count(chosen, search.original, int(np.count_nonzero(wanted)))

    every = np.ones(len(close), dtype=np.bool_)
    yield "all", read(every, close)
    for code_bits in (8, 12, 16):
        equal = bits < 1 << MAX_CODE_BITS - code_bits
        yield f"keys, {code_bits} bits", read(equal, close)
        if code_bits == 12:
            nearness = hits._replace(distances=np.zeros_like(distances)).select(equal)
            found = count(nearness, search.original, int(np.count_nonzero(equal)))
            yield f"equal keys, {code_bits} bits", found


def read_rarest(
    lists: inverted.Lists, probes: inverted.WordProbes
) -> tuple[inverted.ClosePostings, int]:
    starts, counts = inverted.find_lists(lists, probes.words)
    counts = np.where(inverted.select_affordable(counts, inverted.BUDGET), counts, 0)
    return inverted.find_close_postings(lists, probes, starts, counts), int(counts.sum())


def read_as_memory(
    lists: inverted.Lists, probes: inverted.WordProbes
) -> tuple[inverted.ClosePostings, int]:
    """Return what the memory index reads of one segment; see ``candidates``."""
    starts, counts = inverted.find_lists(lists, probes.words)
    if counts.sum() > inverted.BUDGET:
        bits = inverted.choose_code_bits(counts, inverted.BUDGET)
        probes = probes._replace(code_bits=bits)
        starts, counts = inverted.narrow_lists(lists, probes, (starts, counts))
    counts = np.where(inverted.select_affordable(counts, inverted.BUDGET), counts, 0)
    return inverted.find_close_postings(lists, probes, starts, counts), int(counts.sum())


def measure(
    lists: inverted.Lists,
    searches: Sequence[Search],
    budgets: Sequence[int],
    *,
    only_budgets: bool = False,
) -> None:
    found: dict[str, list[Counted]] = {}
    spent: dict[str, list[float]] = {}
    whole = inverted.BUDGET
    methods: dict[str, Callable[..., tuple[inverted.ClosePostings, int]]] = {
        "rarest": read_rarest,
        "memory": read_as_memory,
    }
    for number, search in enumerate(searches):
        probes = inverted.build_word_probes(search.views)
        for name, counted in () if only_budgets else search_all(lists, search, probes):
            found.setdefault(name, []).append(counted)
        for budget in budgets:
            inverted.BUDGET = budget
            for name in sorted(methods, reverse=bool(number % 2)):
                began = time.thread_time()
                hits, postings = methods[name](lists, probes)
                counted = count(hits, search.original, postings)
                key = f"{name}, {budget:,}"
                spent.setdefault(key, []).append(time.thread_time() - began)
                found.setdefault(key, []).append(counted)
        inverted.BUDGET = whole
    known = np.array([search.known for search in searches])
    print(
        f"{'':22}  @20  @100  known  unseen  worth comparing   postings    ms; "
        f"{known.sum()} known edits, {(~known).sum()} unseen"
    )
    for name, results in found.items():
        ranks = np.array([one.rank for one in results])
        worth = (ranks < 100) & (np.array([one.votes for one in results]) >= VOTED)
        among = ranks < 100
        line = f"{name:22} {np.mean(ranks < 20):.3f} {among.mean():.3f}  {among[known].mean():.3f}"
        line += f"   {among[~known].mean():.3f}            {worth.mean():.3f}"
        line += f"  {np.mean([one.postings for one in results]):10,.0f}"
        if name in spent:
            line += f"  {1000 * np.median(spent[name]):6.1f}"
        print(line, flush=True)
    for budget in budgets:
        pairs = zip(spent[f"memory, {budget:,}"], spent[f"rarest, {budget:,}"], strict=True)
        ratio = np.median([one / other for one, other in pairs])
        print(f"    memory / rarest of {budget:,}: {ratio:.2f} of the time (median)")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="PHOTOS")
    parser.add_argument("--images", type=int, nargs="+", default=[20_000, 1_000_000])
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="reported of")
    parser.add_argument("--photos", type=int, default=12, help="look for edits of so many")
    parser.add_argument("--queries", type=int, default=100, help="of these, drawn by the seed")
    parser.add_argument("--budgets", type=int, nargs="+", default=[inverted.BUDGET])
    parser.add_argument("--only-budgets", action="store_true", help="leave out keys")
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--snapshots", type=Path, help="of the repositories; cloned if not given")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/visualsnoop-keys"))
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    halves = halved([path for path in options.folder.iterdir() if path.is_file()])
    pool = build_pool([*halves[0], *halves[1]], options.snapshots, options.cache)
    searches = build_searches(halves, options.half, options.photos, options.cache)
    dice = np.random.default_rng(options.seed)
    drawn = [searches[place] for place in dice.permutation(len(searches))[: options.queries]]
    print(machine())
    print(
        f"{len(drawn)} of {len(searches)} edits of {options.photos} photographs of half "
        f"{options.half}; {len(pool.starts) - 1:,} real pictures; seed {options.seed}"
    )
    first = options.half * len(halves[0])
    looked_for = range(first, first + len(halves[options.half]))
    for images in options.images:
        print(f"\n{images:,} images")
        lists = build_index(pool, looked_for, images, options.seed, options.cache)
        photos = len(halves[0]) + len(halves[1])
        real = range(photos, len(pool.starts) - 1)
        if images <= 200_000:
            print(f"    real pictures: {describe_likeness(lists, real, dice)}")
            made_up = range(real.stop + LOOK_ALIKES * len(looked_for), images)
            print(f"    made-up ones: {describe_likeness(lists, made_up, dice)}")
        measure(lists, drawn, options.budgets, only_budgets=options.only_budgets)


if __name__ == "__main__":
    main()
