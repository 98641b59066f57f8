"""``manage.py visualsnoop_duplicates``."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command

from django_visualsnoop.client.exceptions import ServerError
from django_visualsnoop.management.interrupts import Interrupted
from django_visualsnoop.sync.worker import sweep
from tests.engine.flavours import draw_receipt, encode
from tests.fixtures import product
from tests.testapp.models import Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("visualsnoop_duplicates", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def copies(recorder: RecorderCollection) -> list[Product]:
    rows = [product(1), product(2), product(1), product(3), product(2), product(1)]
    sweep(using="default")
    return rows


def test_the_largest_of_equally_sure_groups_comes_first(copies: list[Product]) -> None:
    a, b, c, _, e, f = copies
    head, *members = run("testapp.Product").splitlines()[:4]
    assert head == "3 of testapp.Product, rank 0, similarity 1.000"
    assert members == [
        f"    {row.pk}  {row.photo.name}  rank 0, similarity 1.000"
        for row in sorted((a, c, f), key=lambda row: str(row.pk))
    ]
    assert run().splitlines()[4] == "2 of testapp.Product, rank 0, similarity 1.000"
    assert {str(b.pk), str(e.pk)} == {line.split()[0] for line in run().splitlines()[5:7]}


def test_json_has_a_line_for_each_group(copies: list[Product]) -> None:
    first, second = map(json.loads, run("testapp.Product", "--json").splitlines())
    assert (first["model"], first["rank"], first["similarity"]) == ("testapp.Product", 0, 1.0)
    assert len(first["members"]) == 3
    row = copies[1]
    assert second["members"][0] == {
        "pk": row.pk,
        "field": "photo",
        "file": row.photo.name,
        "rank": 0,
        "similarity": 1.0,
    }


def test_there_may_be_none(recorder: RecorderCollection) -> None:
    assert run().splitlines()[-1] == "No duplicates."
    assert run("--json") == ""


def test_bad_arguments_are_named(recorder: RecorderCollection) -> None:
    with pytest.raises(CommandError, match=r"between 0 and 1, not 2\.0"):
        run("--min-similarity", "2")
    with pytest.raises(CommandError, match=r"nosuch.*Indexed fields"):
        run("nosuch.Model")


def test_a_collection_that_does_not_answer(recorder: RecorderCollection) -> None:
    recorder.fail_with(ServerError("It is down.", status=500))
    with pytest.raises(CommandError, match="It is down"):
        run()


def test_it_can_be_stopped(recorder: RecorderCollection) -> None:
    recorder.fail_with(Interrupted(15))
    with pytest.raises(CommandError, match="Stopped by SIGTERM") as stopped:
        run()
    assert stopped.value.returncode == 143


@pytest.mark.usefixtures("media")
def test_files_are_read_again_unless_the_option_says_not_to() -> None:
    page, other = draw_receipt("02/05/2026  Till 3"), draw_receipt("19/11/2026  Till 8")
    for content in (encode(page), encode(page, 60), encode(other)):
        Product.objects.create(photo=ContentFile(content, "receipt.jpg"))
    sweep(using="default")
    (group,) = map(json.loads, run("--json").splitlines())
    assert len(group["members"]) == 2
    (group,) = map(json.loads, run("--json", "--no-closer-look").splitlines())
    assert len(group["members"]) == 3
