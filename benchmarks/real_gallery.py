"""How many of the pairs that the engine calls copies are copies, in a real gallery.

    python -m benchmarks.real_gallery FOLDER [--snapshots FOLDER] [--processes N] [--share 0.02]
        [--sets NAME …] [--pairs 200] [--sample NAME] [--labels FILE …] [--searches 1000]

Public repositories hold the pictures (see gallery/sets.py); each is cloned at one commit into
FOLDER, or read from ``--snapshots``, a folder with git directories OWNER+NAME/repo. Masks, files
that the engine refuses, and all but one of equal files are left out. All others, about 23,000, are
described in a collection in an SQLite file in FOLDER; a run that was stopped goes on where it was,
and pictures of earlier runs stay.

Then all pairs of copies are written to ``pairs.tsv``, and some of them are drawn for a person to
look at: ``sample.tsv`` of all pairs, and ``sample-by-set.tsv`` with as many pairs of each set. For
each, a folder ``…-sheets`` has pictures of the pairs. Type one of these words into the column
``label``:

* copy: the same picture, edited, re-encoded or recoloured;
* scene: the same thing or place, in another shot;
* layout: the same form, page or packaging, with other contents;
* wrong: different things.

A sample that is there is kept: to draw another one after the engine has changed, give it another
name.

With ``--searches``, it prints how many of the copies that so many searches by id find are in the
list of all pairs.

With ``--labels``, the run prints the share of copies among the labelled pairs that are called so,
with 95 % intervals, by set and as the mean over sets; as what searches find labelled pairs; and how
many of them duplicates() groups without a closer look. It also prints, by similarity, the share of
copies and the share of all labelled copies that are kept, with and without a closer look at the
files. ``labelled.tsv`` lists each pair. With matplotlib, ``calibration.svg`` shows the share of
copies over the similarity, for each kind of set, and ``tradeoff.svg`` over the copies kept.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.gallery import agreement, collection, labels, report, samples, tradeoff
from benchmarks.gallery.pictures import SEED, list_pictures
from benchmarks.gallery.sets import SETS
from tests.fuzz.pictures import machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.gallery.labels import Judged
    from benchmarks.gallery.pictures import Listing


def main() -> None:
    options = read_arguments()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    collection.set_up(folder)
    collection.create_tables()
    labelled = labels.read_labels(options.labels)
    stored = collection.list_stored()
    listing = list_pictures(
        [one for one in SETS if not options.sets or one.name in options.sets],
        share=options.share,
        always={side for pair in labelled for side in pair.sides},
        stored=stored,
        snapshots=options.snapshots,
        clones=folder / "clones",
    )
    if others := stored.difference(listing.pictures):
        raise SystemExit(
            f"{folder} has {len(others):,} pictures of other sets. Name another folder."
        )
    print(f"seed {SEED}; {machine()}")
    fill(listing, folder, options.processes)
    began = time.perf_counter()
    pairs = collection.find_pairs(folder, show_progress)
    print(f"{len(pairs):,} pairs of copies, found in {time.perf_counter() - began:.1f} s")
    by_set = Counter(samples.get_set_name(pair, listing.pictures) for pair in pairs)
    if pairs:
        print("    " + ", ".join(f"{name} {count:,}" for name, count in by_set.most_common()))
    drawn = {
        options.sample: samples.draw_any(pairs, options.pairs),
        f"{options.sample}-by-set": samples.draw_by_set(pairs, listing.pictures, options.pairs),
    }
    for name, some in drawn.items():
        if (folder / f"{name}.tsv").exists():
            print(f"{name}.tsv is there and is kept; --sample draws another one")
        else:
            samples.write_sample(folder, name, some, listing.pictures)
            print(f"{name}.tsv: {len(some)} pairs to label, shown in {name}-sheets")
    if options.searches:
        agreement.print_agreement(pairs, collection.list_stored(), options.searches)
    if labelled:
        judged, absent = labels.judge(labelled, listing.by_path, listing.pictures, pairs)
        called = sum(one.similarity is not None for one in judged)
        print(
            f"\n{len(labelled)} labelled pairs; {absent} not in the gallery, or equal files;",
            end=" ",
        )
        print(f"{called} of {len(judged)} are called copies")
        report.print_precision(judged)
        report.print_found(judged)
        report.draw_calibration(judged, listing.pictures, folder / "calibration.svg")
        tradeoff.print_tradeoff(judged)
        tradeoff.draw_tradeoff(judged, folder / "tradeoff.svg")
        write_judged(judged, listing, folder / "labelled.tsv")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("folder", type=Path, help="where the gallery is, or is made")
    add("--snapshots", type=Path, help="folder with git directories OWNER+NAME/repo")
    add("--processes", type=int, default=os.cpu_count(), help="that describe pictures")
    add("--share", type=float, default=1.0, help="of each set, take so much, for a quick try")
    add("--sets", nargs="+", choices=[one.name for one in SETS], metavar="NAME", help="only these")
    add("--pairs", type=int, default=200, help="of each sample")
    add("--sample", default="sample", metavar="NAME", help="name of the samples")
    add("--labels", type=Path, nargs="+", default=[], metavar="FILE", help="labelled samples")
    add("--searches", type=int, default=0, metavar="N", help="compare all pairs with N searches")
    options = parser.parse_args()
    if not 0 < options.share <= 1:
        parser.error("--share must be more than 0, and at most 1.")
    return options


def fill(listing: Listing, folder: Path, processes: int) -> None:
    """Describe all pictures that are not in the collection yet."""
    missing = collection.list_missing(listing.pictures.values(), folder)
    began = time.perf_counter()
    for done in collection.describe_all(missing, folder, processes) if missing else ():
        show_progress(done / len(missing))
    if missing:
        seconds = time.perf_counter() - began
        print(f"{len(missing):,} pictures described by {processes} processes in {seconds:.0f} s")
    refused = Counter(
        one.reason for one in collection.read_refusals(folder) if one.image_id in listing.pictures
    )
    kept = len(listing.pictures) - refused.total()
    left_out = [f"{reason} {count:,}" for reason, count in (listing.left_out + refused).items()]
    print(f"gallery of {kept:,} pictures; left out: {', '.join(left_out) or 'none'}")


def show_progress(done: float) -> None:
    print(f"\r{done:.0%} ", end="\r" if done < 1 else "\n", file=sys.stderr, flush=True)


def write_judged(judged: Sequence[Judged], listing: Listing, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        write = csv.writer(file, delimiter="\t", lineterminator="\n")
        columns = ["label", "similarity", "grouped", "found_as", "other_way", "confirmed", "set"]
        write.writerow([*columns, "image_id", "other_image_id", "path", "other_path"])
        for one in judged:
            similarity = "" if one.similarity is None else f"{one.similarity:.6f}"
            told = [one.label, similarity, int(one.grouped), *one.found_as]
            told += [int(one.confirmed), one.set_name]
            paths = [listing.pictures[key].path for key in (one.first_id, one.second_id)]
            write.writerow([*told, one.first_id, one.second_id, *paths])


if __name__ == "__main__":
    main()
