"""Edits that change much of a picture."""

from __future__ import annotations

import numpy as np

from django_visualsnoop.engine.descriptors.describe import build_probes, describe
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.compare import compare_all
from django_visualsnoop.engine.training.perturb import disfigure
from tests.collections.contract import image


def test_pictures_are_disfigured_repeatably_and_stay_copies() -> None:
    picture, other = (decode(image(number)).pixels for number in (1, 2))
    made, again = (list(disfigure(picture, other, np.random.default_rng(5))) for _ in range(2))
    assert all((one == more).all() for one, more in zip(made, again, strict=True))
    assert all(one.shape == picture.shape and one.dtype == np.uint8 for one in made[:-1])
    assert all((one != picture).mean() > 0.2 for one in made[:-1])
    stored = [describe(picture), describe(other)]
    for one in made[:-1]:
        its, others = compare_all(build_probes(one), stored)
        assert its.score > others.score
