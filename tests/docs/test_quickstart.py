"""The quickstart, done as it is written, by a newcomer who uploads, and saves many pictures."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING

import pytest
import requests
from PIL import Image

from tests import services
from tests.collections.contract import image
from tests.stock.project import (
    PASSWORD,
    QUICKSTART,
    USER,
    project_of,
    read_instructions,
    redis_server,
    start_celery,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.docs

SAVES = 60


@pytest.mark.service("redis-server")
def test_a_newcomer_finds_the_first_copy_and_every_later_picture(tmp_path: Path) -> None:
    program = services.require("redis-server")
    with (
        redis_server(program, tmp_path) as redis,
        project_of(QUICKSTART, tmp_path, redis=redis) as project,
    ):
        start_celery(project)
        visitor = Visitor(f"http://127.0.0.1:{project.serve()}")
        add = "/admin/shop/product/add/"
        visitor.send(f"/admin/login/?next={add}", username=USER, password=PASSWORD)
        assert "was added successfully" in visitor.send(add, photo=image(0), name="first")
        project.wait_until_in_sync()
        warning = visitor.send(add, photo=make_smaller(image(0)), name="second")
        assert "Use the existing: first" in warning
        answers = re.findall(r'name="([^"]*)" value="([^"]+)"', warning)
        kept = {name: value for name, value in answers if "visualsnoop" in name}
        assert "was added successfully" in visitor.send(add, name="second", **kept)
        project.wait_until_in_sync()
        found = visitor.read("/admin/shop/product/duplicates/")
        assert "Group 1: 2 products" in found
        for shown in set(re.findall(r'src="(/media/[^"]+)"', found)):
            visitor.read(shown)

        project.run(f"python -m tests.stock.save_products {SAVES}")
        project.wait_until_in_sync()
        (status,) = project.statuses()
        assert status["rows"] == SAVES + 2
        script = read_instructions(QUICKSTART).scripts["search.py"]
        lines = project.run("python manage.py shell", script=script).splitlines()
        assert any(line.startswith("second 0 ") for line in lines), lines
        assert "['first', 'second']" in lines, lines
        assert project.ended() == {}
        assert project.tracebacks() == []


def make_smaller(picture: bytes) -> bytes:
    written = io.BytesIO()
    Image.open(io.BytesIO(picture)).resize((192, 144)).save(written, "PNG")
    return written.getvalue()


class Visitor:
    """A browser without scripts."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()

    def read(self, path: str) -> str:
        answer = self.session.get(self.address + path, timeout=60)
        assert answer.status_code == 200, path
        return html.unescape(answer.text)

    def send(self, path: str, *, photo: bytes | None = None, **data: str) -> str:
        """Send the form of a page, and return the page that follows."""
        self.read(path)
        token = self.session.cookies["csrftoken"]
        files = {} if photo is None else {"photo": (f"{data['name']}.png", photo)}
        answer = self.session.post(
            self.address + path,
            {"csrfmiddlewaretoken": token, **data},
            files=files,
            headers={"Referer": self.address},
            timeout=60,
        )
        assert answer.status_code == 200, path
        return html.unescape(answer.text)
