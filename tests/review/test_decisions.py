"""Decisions on a group: who is first, and what fails leaves everything as it was."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.exceptions import MergeConflict
from django_visualsnoop.models import Resolution, ReviewGroup, ReviewMember
from django_visualsnoop.review.decisions import AlreadyDecided, Decision, Removal, decide, reopen
from django_visualsnoop.review.search import search_within
from django_visualsnoop.signals import rows_merged
from tests.admin.pages import copies
from tests.test_concurrency import together
from tests.testapp.models import Product

pytestmark = pytest.mark.usefixtures("recorder")
State = ReviewGroup.State
EDITOR = User(username="editor")


def find_group() -> tuple[ReviewGroup, dict[Any, ReviewMember]]:
    search_within(Product, Budget(), using="default")
    group = ReviewGroup.objects.get()
    return group, {int(one.object_id): one for one in group.members.all()}


@pytest.mark.django_db(transaction=True)
def test_of_two_editors_one_decides() -> None:
    one, copy = copies(1, 1)
    group, members = find_group()
    late = []

    def remove(kept: Product, removed: Product) -> None:
        own = ReviewGroup.objects.get(pk=group.pk)
        decision = Decision(keep=[kept], remove=[removed])
        try:
            decide(own, decision, members, user=EDITOR, removal=Removal())
        except AlreadyDecided as error:
            late.append(str(error))

    together(lambda: remove(one, copy), lambda: remove(copy, one))
    assert late == ["Somebody else has changed group 1 meanwhile."]
    assert Product.objects.count() == 1
    assert Resolution.objects.count() == 1


@pytest.mark.django_db
def test_a_removal_that_fails_decides_nothing() -> None:
    one, copy = copies(1, 1)
    group, members = find_group()

    def refuse(**_: Any) -> None:
        raise MergeConflict("no", [])

    rows_merged.connect(refuse)
    try:
        with pytest.raises(MergeConflict):
            decide(
                group,
                Decision(keep=[one], remove=[copy]),
                members,
                user=EDITOR,
                removal=Removal(),
            )
    finally:
        rows_merged.disconnect(refuse)
    group.refresh_from_db()
    assert (group.state, group.resolution) == (State.OPEN, None)
    assert Product.objects.count() == 2


@pytest.mark.django_db
def test_a_decision_is_taken_back_once() -> None:
    one, copy = copies(1, 1)
    group, members = find_group()
    decide(group, Decision(keep=[one, copy]), members, user=EDITOR, removal=Removal())
    assert (group.state, group.decided_by) == (State.KEPT, "editor")
    same = ReviewGroup.objects.get()
    reopen(group, user=EDITOR)
    assert (group.state, group.decided_by, group.decided_at) == (State.OPEN, "", None)
    with pytest.raises(AlreadyDecided):
        reopen(same, user=EDITOR)
