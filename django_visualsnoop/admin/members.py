"""The rows of groups of duplicates, with what the pages show of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import localize
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from django_visualsnoop.admin.cards import percent
from django_visualsnoop.admin.columns import find_date_field, format_column, list_columns
from django_visualsnoop.admin.pictures import field_to_show, look_at
from django_visualsnoop.collections import collections
from django_visualsnoop.common.edit_texts import format_changed_part, format_matrix
from django_visualsnoop.common.facts import compare_facts
from django_visualsnoop.common.ordering import order_groups
from django_visualsnoop.common.proposals import Candidate
from django_visualsnoop.exceptions import UnsupportedSearch
from django_visualsnoop.indexed.image_ids import ImageIds
from django_visualsnoop.indexed.options import indexed_field, indexed_fields
from django_visualsnoop.indexed.pictures import find_pictures
from django_visualsnoop.review.record import ReviewMember
from django_visualsnoop.review.related import count_related

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import Model
    from django.http import HttpRequest

    from django_visualsnoop.admin.mixin import VisualSnoopAdminMixin
    from django_visualsnoop.admin.pictures import ShownPicture
    from django_visualsnoop.common.edits import Edits
    from django_visualsnoop.common.facts import Fact
    from django_visualsnoop.common.open_pictures import FindPictures
    from django_visualsnoop.review.record import ReviewGroup

    #: The edits from one row's picture to another's, by both keys.
    EditsByKeys = dict[tuple[str, str], Edits]


@dataclass
class ShownMember:
    """A row of a group."""

    member: ReviewMember
    row: Model
    picture: ShownPicture
    #: The URL of the whole picture.
    url: str
    change_url: str
    candidate: Candidate
    facts: list[Fact] = field(default_factory=list)
    #: What was done to its picture, in words; empty for the proposed one.
    edit_texts: list[str] = field(default_factory=list)
    edits: Edits | None = None

    @property
    def similarity_text(self) -> str:
        return percent(self.member.similarity)

    @property
    def matrix(self) -> str:
        """How to lay this picture over the proposed one."""
        return format_matrix(self.edits)

    @property
    def changed(self) -> str:
        """The part that differs."""
        return format_changed_part(self.edits)


def read_members(
    model_admin: VisualSnoopAdminMixin, request: HttpRequest, groups: Sequence[ReviewGroup]
) -> dict[int, list[tuple[ReviewMember, Model]]]:
    """Return the rows of groups that exist and that the user may see, by the group's primary key.

    This costs two queries for all groups. Of large groups, it returns the closest rows.
    """
    rows = model_admin.get_queryset(request)
    using = rows.db
    members = ReviewMember.objects.using(using).filter(group__in=[group.pk for group in groups])
    found: list[ReviewMember] = []
    counts: Counter[int] = Counter()
    for member in members.order_by("rank", "pk"):
        counts[member.group_id] += 1
        # The user may not see some of them.
        if counts[member.group_id] <= 2 * model_admin.visualsnoop_rows_per_group:
            found.append(member)
    key_of = {}
    for member in found:
        key = indexed_field(model_admin.model, member.field).key_of(member.object_id, using)
        if key is not None:
            key_of[member.pk] = key
    by_key = {row.pk: row for row in rows.order_by().filter(pk__in=set(key_of.values()))}
    shown: defaultdict[int, list[tuple[ReviewMember, Model]]] = defaultdict(list)
    for member in found:
        row = by_key.get(key_of.get(member.pk))
        if row is not None:
            shown[member.group_id].append((member, row))
    return shown


class MemberReader:
    """Prepares the rows of groups for one request.

    Args:
        model_admin: the admin of the model.
        request: the request.
        rows: all rows of all groups that will be asked for; their related rows are counted at once.
    """

    def __init__(
        self, model_admin: VisualSnoopAdminMixin, request: HttpRequest, rows: Iterable[Model]
    ) -> None:
        self._model_admin = model_admin
        self._using = model_admin.get_queryset(request).db
        self._columns = list_columns(model_admin, request)
        self._date = find_date_field(model_admin.model, model_admin.visualsnoop_date_field)
        self._related = count_related(model_admin.model, list(rows), using=self._using)

    def read_groups(
        self, groups: Sequence[Sequence[tuple[ReviewMember, Model]]]
    ) -> list[list[ShownMember]]:
        """Return the rows of each group, the one that is proposed to be kept first.

        This reads their files, to see what was changed in them. The number of queries does not
        depend on the number of groups.
        """
        shown = [[self._build(member, row) for member, row in members] for members in groups]
        for members in shown:
            for number, one in enumerate(sorted(members, key=lambda one: self._get_age(one.row))):
                one.candidate.age = number
        ordered = order_groups(shown, self._find_edits, self._model_admin.visualsnoop_keep_rule)
        for found in ordered:
            self._add_facts(found)
        return ordered

    def _build(self, member: ReviewMember, row: Model) -> ShownMember:
        name = field_to_show(row, member.field)
        picture = look_at(row, name, self._model_admin.visualsnoop_thumbnail_url)
        candidate = Candidate(
            row,
            member.object_id,
            name,
            pixels=(picture.width or 0) * (picture.height or 0),
            file_size=picture.size or 0,
            related=sum(self._related.get(row.pk, {}).values()),
        )
        url = getattr(row, name).url if picture.url else ""
        change_url = self._model_admin.visualsnoop_change_url(row)
        return ShownMember(member, row, picture, url, change_url, candidate)

    def _get_age(self, row: Model) -> Any:
        """Return a value that is lower for older rows, whatever the fields are."""
        value = None if self._date is None else getattr(row, self._date.attname)
        key = row.pk if isinstance(row.pk, int) else 0
        return (value is None, "" if value is None else value.isoformat(), key, str(row.pk))

    def _find_edits(
        self, groups: Sequence[Sequence[tuple[ShownMember, ShownMember]]]
    ) -> list[EditsByKeys]:
        """Return the edits between pairs of rows of each group, as far as a collection knows."""
        located = [
            [(pair, self._locate(pair[0]), self._locate(pair[1])) for pair in pairs]
            for pairs in groups
        ]
        wanted: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for _pair, (alias, image_id), (other_alias, other_id) in chain.from_iterable(located):
            if alias == other_alias:
                wanted[alias].append((image_id, other_id))
        found: dict[tuple[Any, ...], Edits] = {}
        for alias, ids in wanted.items():
            with suppress(UnsupportedSearch, OSError):
                find_pictures = self._get_find_pictures(alias)
                edits = collections[alias].describe_edits_of_pairs(ids, find_pictures)
                for (image_id, other_id), known in edits.items():
                    found[(alias, image_id), (alias, other_id)] = known
        return [
            {
                (one.candidate.key, other.candidate.key): found[tuple(places)]
                for (one, other), *places in pairs
                if tuple(places) in found
            }
            for pairs in located
        ]

    def _locate(self, shown: ShownMember) -> tuple[str, str]:
        """Return the alias of the collection of a picture, and its image id."""
        own = indexed_field(self._model_admin.model, shown.member.field)
        return own.collection, own.image_id(shown.candidate.key, self._using)

    def _get_find_pictures(self, alias: str) -> FindPictures:
        fields = indexed_fields(self._model_admin.model)
        ids = ImageIds((one, self._using) for one in fields).in_collection(alias)
        return partial(find_pictures, ids)

    def _add_facts(self, shown: Sequence[ShownMember]) -> None:
        lines: list[tuple[str, list[str]]] = [
            (_("Pixels"), [_format_pixels(one.picture) for one in shown]),
            (_("File size"), [_format_size(one.picture) for one in shown]),
        ]
        if self._date is not None:
            date = self._date
            lines.append(
                (
                    capfirst(str(date.verbose_name)),
                    [str(localize(getattr(one.row, date.attname))) for one in shown],
                )
            )
        for name, label in self._columns:
            if self._date is None or name != self._date.name:
                values = [format_column(self._model_admin, one.row, name) for one in shown]
                lines.append((capfirst(label), values))
        lines.append((_("Related rows"), [self._describe_related(one.row) for one in shown]))
        for one, facts in zip(shown, compare_facts(lines), strict=True):
            one.facts = facts

    def _describe_related(self, row: Model) -> str:
        counts = self._related.get(row.pk, {})
        texts = [f"{name}: {count}" for name, count in counts.items() if count]
        return ", ".join(texts) or _("none")


def _format_pixels(picture: ShownPicture) -> str:
    if not picture.width:
        return "\N{EN DASH}"
    return f"{picture.width} \N{MULTIPLICATION SIGN} {picture.height}"


def _format_size(picture: ShownPicture) -> str:
    return "\N{EN DASH}" if picture.size is None else filesizeformat(picture.size)
