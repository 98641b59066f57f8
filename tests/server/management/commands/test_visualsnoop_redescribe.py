"""Describing images again from their originals."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.models import Retention
from tests.collections.contract import image
from tests.server.hosting import Tenant, call

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]


def test_describing_again_from_originals(ann: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    ann.limit(retention=Retention.ORIGINALS)
    for image_id, number in (("a", 1), ("b", 1), ("c", 2)):
        call(ann, "POST", f"/image/{image_id}", image(number))
    pictures.delete_pictures(pictures.get_pictures(ann.collection, "c"))
    before = call(ann, "GET", "/image/a").body
    IndexedImage.objects.update(version=1, vector=b"of old", seq=None)
    assert call(ann, "GET", "/search/a").status == 404
    call_command("visualsnoop_redescribe")
    told = capsys.readouterr()
    assert told.out == "Images described again: 2. Images that could not be described: 1.\n"
    assert told.err == f"{ann.collection_id} c: no original is retained\n"
    found = call(ann, "GET", "/search/a").body["results"]
    assert [one["id"] for one in found] == ["b"]
    assert call(ann, "GET", "/image/a").body == before
