"""What API v2 is sent and answers, as pydantic models."""

from typing import Annotated, Literal, TypeAlias

from ninja import Schema
from pydantic import ConfigDict, Field

from django_visualsnoop.client.ids import MAX_IMAGE_ID_LENGTH

ImageId: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=MAX_IMAGE_ID_LENGTH, description="1 to 100 characters."),
]
Time: TypeAlias = Annotated[
    str,
    Field(
        description="RFC 3339, in UTC, with microseconds.",
        examples=["2030-01-31T12:00:00.000000+00:00"],
    ),
]
Similarity: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Metadata: TypeAlias = Annotated[
    dict[str, str | int | float | bool | None],
    Field(
        description="A flat object of at most 20 names, each of at most 50 characters, and at most "
        "2,048 bytes as JSON."
    ),
]


class Sent(Schema):
    """Only what is documented, and nothing taken for something else."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Limits(Schema):
    images: int | None
    requests_per_minute: int | None
    bytes_per_day: int | None


class CollectionInfo(Schema):
    id: str
    name: str
    count: int = Field(description="How many images it holds.")
    min_similarity: Similarity
    limits: Limits
    cursor: str = Field(description="Where changes from now on begin; see `changes`.")


class Count(Schema):
    count: int


class Image(Schema):
    id: ImageId
    time: Time
    width: int
    height: int
    sha256: str = Field(description="Of the file that was added.")
    metadata: Metadata


class ImagePage(Schema):
    images: list[Image]
    next: str | None = Field(description="Give it as `start` for the next page.")


class Box(Schema):
    """Shares of a picture's width and height; 0, 0 is its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


class Why(Schema):
    """How the first picture becomes what is seen of it in the second."""

    mirrored: bool
    turn: float = Field(description="Degrees clockwise, after mirroring.")
    scale: float = Field(description="Pixels of the second that one pixel of the first becomes.")
    part_of_first: Box
    part_of_second: Box


class Match(Schema):
    id: ImageId
    rank: int = Field(ge=0, description="0 is perceptually identical; smaller is closer.")
    similarity: Similarity
    metadata: Metadata
    why: Why | None = Field(
        description="From the picture searched for to this one. Null if it was not asked for, or "
        "too few details agree to tell."
    )


class Matches(Schema):
    matches: list[Match]


class Comparison(Schema):
    rank: int = Field(ge=0)
    similarity: Similarity
    is_copy: bool = Field(description="As similar as the collection's threshold asks.")
    why: Why | None


class StoredImage(Sent):
    id: ImageId


class SentImage(Sent):
    content: str = Field(description="The image file, in base64.", min_length=1)


class ToCompare(Sent):
    first: StoredImage | SentImage
    second: StoredImage | SentImage


class NewImage(Sent):
    id: ImageId | None = Field(default=None, description="Chosen by the server if left out.")
    content: str = Field(description="The image file, in base64.", min_length=1)
    metadata: Metadata | None = None


class ManyImages(Sent):
    images: list[NewImage] = Field(min_length=1, max_length=100)
    replace: bool = Field(
        default=False, description="Replace images that are there; otherwise they stay: 409."
    )


class ManyIds(Sent):
    ids: list[ImageId] = Field(min_length=1, max_length=1000)


class Outcome(Schema):
    id: str | None
    status: int = Field(description="As the HTTP status of the call for this image alone.")
    detail: str | None = Field(default=None, description="Why it was not done.")


class Outcomes(Schema):
    outcomes: list[Outcome] = Field(description="In the order in which they were sent.")


class Member(Schema):
    id: ImageId
    rank: int = Field(description="To the one of the group that it resembles most.")
    similarity: Similarity


class Group(Schema):
    members: list[Member]


class Groups(Schema):
    groups: list[Group] = Field(description="The one with the closest pair first.")
    complete: bool = Field(
        description="Whether all that may be copies was compared; if not, only the closest was."
    )


class IdPair(Sent):
    first_id: ImageId
    second_id: ImageId


class Pairs(Schema):
    pairs: list[IdPair]


class Change(Schema):
    id: ImageId
    kind: Literal["image", "deleted"]
    image: Image | None


class Changes(Schema):
    changes: list[Change]
    cursor: str = Field(description="Where the next changes begin.")
    more: bool = Field(description="There are more by now.")


class Imported(Schema):
    added: int
    replaced: int
    unchanged: int
