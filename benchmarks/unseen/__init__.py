"""Edits of kinds that nothing here was trained or fitted on: only to report of them.

``engine.augment`` and ``edits`` have none of these. Whoever adds one of them there takes it away
here. Each family is one kind of edit.

That is not to say that nothing was chosen by them. Which pictures a query looks for (the negative,
and 256 features) and which evidence counts was chosen after looking at these families on one half
of the photographs. Figures of the other half tell of other photographs, not of other edits.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from edits import encoded
from unseen import covers, filters, later, layouts, rephotographed, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from PIL import Image

    #: Takes the picture, other pictures to lay beside it, and dice.
    Edit = Callable[[Image.Image, Sequence[Image.Image], random.Random], Image.Image]


FAMILIES: dict[str, Edit] = {
    "screen photographed": rephotographed.screen_photographed,
    "printed in dots": rephotographed.printed,
    "photocopied": rephotographed.photocopied,
    "colours inverted": filters.inverted,
    "duotone": filters.duotone,
    "posterised": filters.posterised,
    "pixelated": filters.pixelated,
    "dithered": filters.dithered,
    "cartoon": filters.cartoon,
    "pencil sketch": filters.sketched,
    "oil painting": filters.oil_painted,
    "local contrast": filters.local_contrast,
    "low light": filters.low_light,
    "film grain": filters.film_grain,
    "motion blur": filters.motion_blurred,
    "light leak": filters.light_leak,
    "tiny, enlarged": filters.tiny,
    "swirled": shapes.swirled,
    "fish-eye": shapes.fish_eye,
    "squeezed": shapes.squeezed,
    "turned 20-45, cropped": shapes.turned_and_cropped,
    "upside down, caption": shapes.upside_down,
    "mirror, crop, duotone": shapes.mirrored_and_filtered,
    "covered with words": covers.covered_with_words,
    "25 stickers": covers.stickers,
    "censored": covers.censored,
    "stock watermark": covers.stock_watermark,
    "cut out on white": covers.cut_out,
    "one of four": layouts.collage,
    "one of nine": layouts.nine_pictures,
    "side by side": layouts.side_by_side,
    "polaroid": layouts.polaroid,
    "slide": layouts.slide,
    "news page": layouts.news_page,
    "video player": layouts.video_player,
    "night mode page": layouts.night_mode,
    "patterned frame": layouts.on_patterned_paper,
}


#: Nothing was chosen by these but which fit of the calibration to take, of several, by how they
#: did on the half of the photographs that is never reported.
LATER: dict[str, Edit] = {
    "background blurred": later.background_blurred,
    "wavy": later.wavy,
    "shifted round": later.shifted_round,
    "half of it, mirrored": later.mirrored_half,
    "torn signal": later.torn_signal,
    "cut slantwise": later.cut_slantwise,
    "embossed": later.embossed,
    "only edges": later.only_edges,
    "heat map": later.heat_map,
    "solarised": later.solarised,
    "profile picture": later.profile_picture,
    "on a phone": later.on_a_phone,
    "on a mug": later.on_a_mug,
    "story": later.story,
    "under a flag": later.under_a_flag,
    "snow": later.snow,
    "exposed twice": later.exposed_twice,
    "folded and stained": later.folded_and_stained,
    "three panels": later.three_panels,
    "saved eight times": later.saved_eight_times,
    "video tape": later.video_tape,
    "night vision": later.night_vision,
    "sharpened too much": later.sharpened_too_much,
    "a fifth, strong colours": later.a_fifth_in_strong_colours,
    "gallery wall": later.gallery_wall,
    "mirrored film": later.mirrored_film,
    "turned in an app": later.turned_in_an_app,
    "faint": later.faint,
    "stretched": later.stretched,
    "through coloured glass": later.through_coloured_glass,
}


def edited(
    image: Image.Image,
    seed: str,
    others: Sequence[Image.Image],
    families: Mapping[str, Edit] = FAMILIES,
) -> Iterator[tuple[str, bytes]]:
    """Yield the family and the file of every edit of one picture; see ``edits.edited``.

    Args:
        image: RGB.
        seed: of all dice.
        others: eight pictures or more, to lay beside it.
        families: the edits.
    """
    for family, edit in families.items():
        dice = random.Random(f"{seed} unseen {family}")
        yield family, encoded(edit(image, others, dice), quality=80)
