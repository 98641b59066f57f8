"""What pages say of the edits that make one picture out of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django_visualsnoop.common.edits import Edits

#: A copy is called smaller or larger beyond these ratios of its sides.
_SMALLER, _LARGER = 0.95, 1.05
#: A part that is shown is rounded up to this share at most if something is missing.
_NEARLY_ALL = 0.99


def describe_edits(edits: Edits) -> list[str]:
    """Return what was done to the second of two pictures, each in a few words."""
    texts = []
    if edits.mirrored:
        texts.append(_("mirrored"))
    if turn := round(edits.turn):
        texts.append(_("turned by %(degrees)d°") % {"degrees": turn % 360})
    if edits.is_cropped:
        share = min(_NEARLY_ALL, edits.part_of_first.area)
        texts.append(_("cropped to %(percent)d%%") % {"percent": round(100 * share)})
    if edits.is_framed:
        texts.append(_("framed"))
    if edits.extends:
        texts.append(_("shows more around it"))
    if edits.is_captioned:
        texts.append(_("captioned"))
    elif edits.changed is not None:
        texts.append(_("a part differs"))
    if tone := _describe_tone(edits.tone):
        texts.append(tone)
    if edits.scale < _SMALLER or edits.scale > _LARGER:
        texts.append(_("scaled to %(percent)d%%") % {"percent": round(100 * edits.scale)})
    return texts


def _describe_tone(tone: str) -> str:
    return {
        "grey": _("black and white"),
        "lighter": _("lighter"),
        "darker": _("darker"),
    }.get(tone, "")


def format_matrix(edits: Edits | None) -> str:
    """Return how to lay the second picture over the first, for scripts; empty if unknown."""
    return "" if edits is None else " ".join(f"{one:.5f}" for one in edits.matrix)


def format_changed_part(edits: Edits | None) -> str:
    """Return the part of the second that differs, for scripts; empty if unknown.

    These are four percentages: left, top, width, height.
    """
    box = None if edits is None else edits.changed
    if box is None:
        return ""
    sides = (box.left, box.top, box.right - box.left, box.bottom - box.top)
    return " ".join(f"{100 * side:.2f}" for side in sides)


def describe_bytes(first: int | None, second: int | None) -> str:
    """Return how large the second of two files is beside the first, in words."""
    if not first or second is None or second >= first:
        return ""
    return _("%(percent)d%% of the bytes") % {"percent": max(1, round(100 * second / first))}
