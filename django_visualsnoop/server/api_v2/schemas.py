"""The requests and responses of API v2, as pydantic models."""

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
Relation: TypeAlias = Annotated[
    Literal["copy", "variant", "shot", "similar"] | None,
    Field(
        description="How the pictures are related. copy: the same picture, with at most global "
        "edits. variant: the same picture, with a part of it replaced. shot: another shot of the "
        "same scene. similar: a picture that only looks similar. Null if unknown."
    ),
]
Difference: TypeAlias = Annotated[
    float | None,
    Field(
        ge=0,
        le=1,
        description="The share of what both pictures show that differs. Null if unknown.",
    ),
]
Metadata: TypeAlias = Annotated[
    dict[str, str | int | float | bool | None],
    Field(
        description="A flat object with at most 20 names, each of at most 50 characters, and "
        "at most 2,048 bytes as JSON."
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
    count: int = Field(description="The number of images.")
    min_similarity: Similarity
    limits: Limits
    cursor: str = Field(description="The cursor for changes from now on; see `changes`.")


class Count(Schema):
    count: int


class Image(Schema):
    id: ImageId
    time: Time
    width: int
    height: int
    sha256: str = Field(description="The SHA-256 of the file.")
    metadata: Metadata


class ImagePage(Schema):
    images: list[Image]
    next: str | None = Field(description="Pass it as `start` to get the next page.")


class Box(Schema):
    """A part of a picture, as shares of its width and height. 0, 0 is the upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


class Why(Schema):
    """How to turn the first picture into what the second shows of it."""

    mirrored: bool
    turn: float = Field(description="Degrees clockwise, after mirroring.")
    scale: float = Field(
        description="How many pixels of the second one pixel of the first becomes."
    )
    part_of_first: Box
    part_of_second: Box


class Match(Schema):
    id: ImageId
    rank: int = Field(ge=0, description="0 is perceptually identical; smaller is closer.")
    similarity: Similarity
    relation: Relation
    difference: Difference
    metadata: Metadata
    why: Why | None = Field(
        description="From the query to this picture. Null if you did not ask for it, or if too "
        "few details agree."
    )


class Matches(Schema):
    matches: list[Match]


class Comparison(Schema):
    rank: int = Field(ge=0)
    similarity: Similarity
    relation: Relation
    difference: Difference
    is_copy: bool = Field(
        description="Whether they are copies, and as similar as the collection requires."
    )
    why: Why | None


class StoredImage(Sent):
    id: ImageId


class SentImage(Sent):
    content: str = Field(description="The image file, in base64.", min_length=1)


class ToCompare(Sent):
    first: StoredImage | SentImage
    second: StoredImage | SentImage


class NewImage(Sent):
    id: ImageId | None = Field(default=None, description="Default: the server chooses one.")
    content: str = Field(description="The image file, in base64.", min_length=1)
    metadata: Metadata | None = None


class ManyImages(Sent):
    images: list[NewImage] = Field(min_length=1, max_length=100)
    replace: bool = Field(
        default=False, description="Replace existing images. Otherwise, they are a 409."
    )


class ManyIds(Sent):
    ids: list[ImageId] = Field(min_length=1, max_length=1000)


class Outcome(Schema):
    id: str | None
    status: int = Field(
        description="The HTTP status that the call for this image alone would have."
    )
    detail: str | None = Field(default=None, description="What is wrong with this image.")


class Outcomes(Schema):
    outcomes: list[Outcome] = Field(description="In the order of the request.")


class Member(Schema):
    id: ImageId
    rank: int = Field(description="The rank to the closest image of the group.")
    similarity: Similarity


class Group(Schema):
    members: list[Member]


class Groups(Schema):
    groups: list[Group] = Field(description="The group with the closest pair comes first.")
    complete: bool = Field(
        description="Whether all pairs that may be copies were compared, or only the closest."
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
    cursor: str = Field(description="The cursor for the next changes.")
    more: bool = Field(description="Whether there are more changes now.")


class Imported(Schema):
    added: int
    replaced: int
    unchanged: int
