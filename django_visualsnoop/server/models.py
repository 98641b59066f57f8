"""The server's tables: hosted collections, their keys, and recent responses.

The images are in the engine's tables, and retained pictures in a storage.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, router
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

MAX_NAME_LENGTH = 255


def new_collection_id() -> str:
    return secrets.token_hex(4)


def new_public_key() -> str:
    return secrets.token_hex(10)


def database() -> str:
    """Return the alias of the database that stores all of this, including the images.

    Reads use it too: the server refuses a revoked key at once, however far a replica lags.
    """
    return router.db_for_write(HostedCollection)


class Organisation(models.Model):
    """A group of users who share collections."""

    name = models.CharField(_("name"), max_length=MAX_NAME_LENGTH)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """The membership of one user in one organisation."""

    class Role(models.TextChoices):
        OWNER = "owner", _("Owner")
        MEMBER = "member", _("Member")

    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="memberships", verbose_name=_("organisation")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user")
    )
    role = models.CharField(
        _("role"), max_length=6, choices=Role.choices, default=Role.MEMBER, db_default=Role.MEMBER
    )

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "user"], name="visualsnoop_server_one_membership"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.organisation}"


class Invitation(models.Model):
    """An e-mail address whose account may become a member. The account need not exist.

    See ``tenants.tenancy.get_invitations``.
    """

    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="invitations", verbose_name=_("organisation")
    )
    #: The address as it was typed.
    email = models.EmailField(_("e-mail address"))
    #: ``tenants.tenancy.hash_address`` of the address: not every database compares texts exactly.
    digest = models.CharField(max_length=64, db_index=True, editable=False)
    role = models.CharField(_("role"), max_length=6, choices=Membership.Role.choices)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("invited by"),
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "digest"], name="visualsnoop_server_one_invitation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.email}, {self.organisation}"


class Retention(models.TextChoices):
    """The pictures that a collection retains, in addition to the index."""

    NOTHING = "nothing", _("No pictures, only their ids")
    THUMBNAILS = "thumbnails", _("Small pictures")
    ORIGINALS = "originals", _("Small pictures and the original files")


class HostedCollection(models.Model):
    """A collection with one owner and limits. Its owner may share it with an organisation."""

    #: Called ``collection_id`` in API v1.
    id = models.CharField(max_length=8, primary_key=True, default=new_collection_id, editable=False)
    name = models.CharField(_("name"), max_length=MAX_NAME_LENGTH)
    # Refuse to delete an account that still has pictures.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("owner")
    )
    organisation = models.ForeignKey(
        Organisation,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="collections",
        verbose_name=_("shared with"),
    )
    retention = models.CharField(
        _("retained pictures"),
        max_length=10,
        db_column="keeps",
        choices=Retention.choices,
        default=Retention.THUMBNAILS,
        db_default=Retention.THUMBNAILS,
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    min_similarity = models.FloatField(
        _("lowest similarity"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=_(
            "From 0 to 1. Searches for copies return only pictures with at least this "
            "similarity. If empty, the server's default."
        ),
    )
    v1_finds_similar = models.BooleanField(
        _("similar images in API v1"),
        default=False,
        db_default=False,
        help_text=_(
            "API v1 has one kind of search. By default, it returns copies, variants and other "
            "shots. With this option, images that only look similar follow."
        ),
    )
    max_images = models.PositiveIntegerField(
        _("max images"),
        null=True,
        blank=True,
        help_text=_("Highest number of images. If empty, there is no limit."),
    )
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Highest number of requests per key and minute. If empty, there is no limit."),
    )
    bytes_per_day = models.PositiveBigIntegerField(
        _("bytes per day"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Highest number of uploaded bytes per key and day. If empty, there is no limit."
        ),
    )

    class Meta:
        verbose_name = _("hosted collection")
        verbose_name_plural = _("hosted collections")
        constraints = [
            models.CheckConstraint(
                condition=Q(min_similarity__isnull=True) | Q(min_similarity__range=(0, 1)),
                name="visualsnoop_server_similarity",
            ),
            models.CheckConstraint(
                condition=Q(requests_per_minute__isnull=True) | Q(requests_per_minute__gt=0),
                name="visualsnoop_server_requests",
            ),
            models.CheckConstraint(
                condition=Q(bytes_per_day__isnull=True) | Q(bytes_per_day__gt=0),
                name="visualsnoop_server_bytes",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def gallery_name(self) -> str:
        """Return the engine's name of the collection's images."""
        return f"visualsnoop_server/{self.pk}"


class Key(models.Model):
    """A key that programs sign with. ``keys.make_key`` creates and counts keys."""

    public_key = models.CharField(
        _("public key"), max_length=20, unique=True, default=new_public_key, editable=False
    )
    #: See ``tenants.encryption``.
    encrypted_secret = models.TextField(editable=False, db_column="sealed_secret")
    collection = models.ForeignKey(
        HostedCollection, models.CASCADE, related_name="keys", verbose_name=_("collection")
    )
    may_read = models.BooleanField(_("may read"), default=True)
    may_search = models.BooleanField(_("may search"), default=True)
    may_write = models.BooleanField(_("may write"), default=True)
    #: Whether to accept API v1's own signature, which covers neither query nor body.
    allow_v1 = models.BooleanField(_("allow API v1"), default=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    not_before = models.DateTimeField(_("not before"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    #: Updated at most once a minute.
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    #: The previous requests have used the limit up to this time, in microseconds since 1970; see
    #: ``tenants.throttling``.
    requests_used_until = models.BigIntegerField(default=0, editable=False, db_column="paid_until")
    #: The same for bytes.
    bytes_used_until = models.BigIntegerField(
        default=0, db_default=0, editable=False, db_column="bytes_paid_until"
    )

    class Meta:
        verbose_name = _("key")
        verbose_name_plural = _("keys")

    def __str__(self) -> str:
        return self.public_key


class StoredResponse(models.Model):
    """The response to a POST, for the same request sent again; see ``http.idempotency``."""

    #: Of key, signature and body.
    fingerprint = models.CharField(max_length=64, primary_key=True)
    # No database constraint, as in ``Metadata``; null in rows of an earlier version.
    collection = models.ForeignKey(
        HostedCollection, models.CASCADE, null=True, db_constraint=False, related_name="+"
    )
    #: The JSON object of the response.
    body = models.TextField()
    created = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "visualsnoop_server_outcome"

    def __str__(self) -> str:
        return self.fingerprint


class Removal(models.Model):
    """Images that a review has deleted, and that can be restored; see ``content.removals``."""

    collection = models.ForeignKey(
        HostedCollection, models.CASCADE, db_constraint=False, related_name="+"
    )
    created = models.DateTimeField(auto_now_add=True)
    #: Until when they can be restored.
    expires_at = models.DateTimeField(db_index=True)
    #: Their ids, in the order of the page.
    image_ids: models.JSONField[Any, Any] = models.JSONField()
    #: What else is needed.
    snapshot: models.JSONField[Any, Any] = models.JSONField()

    def __str__(self) -> str:
        return f"{self.collection_id}, {self.created:%Y-%m-%d %H:%M}"


class StoredPicture(models.Model):
    """A file in the storage. ``content.pictures`` writes and deletes it.

    If there are two rows for one image and kind, the newer one counts. A constraint would make
    writers of different images wait for each other on MariaDB, and the older row is deleted with
    the image.
    """

    class Kind(models.TextChoices):
        THUMBNAIL = "thumbnail"
        ORIGINAL = "original"

    collection = models.ForeignKey(HostedCollection, models.CASCADE, related_name="pictures")
    #: The engine's key of the image id.
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=9, choices=Kind.choices)
    #: The name of the file in the storage.
    name = models.CharField(max_length=255, unique=True)
    content_type = models.CharField(max_length=20)
    bytes = models.PositiveBigIntegerField()
    created = models.DateTimeField(auto_now_add=True)
    #: Of a deleted image that can be restored. No constraint, as in ``Metadata``.
    removal = models.ForeignKey(
        Removal, models.CASCADE, null=True, db_constraint=False, related_name="pictures"
    )

    class Meta:
        indexes = [models.Index(fields=["collection", "key"], name="visualsnoop_server_picture")]

    def __str__(self) -> str:
        return self.name


class Metadata(models.Model):
    """The metadata of an image; see ``content.metadata``."""

    #: Computed from collection and image without a query, so that neither of two concurrent writers
    #: fails; see ``content.metadata``.
    id = models.CharField(max_length=64, primary_key=True, editable=False)
    # No database constraint: it would make writers wait for each other.
    collection = models.ForeignKey(
        HostedCollection, models.CASCADE, db_constraint=False, related_name="+"
    )
    image_id = models.CharField(max_length=100)
    #: A JSON object.
    body = models.TextField()

    def __str__(self) -> str:
        return self.image_id


class MetadataValue(models.Model):
    """One value in an image's metadata: a hint for finding the images that have it."""

    collection = models.ForeignKey(
        HostedCollection, models.CASCADE, db_constraint=False, related_name="+"
    )
    # The code that deletes one side also deletes the other, in one statement each.
    metadata = models.ForeignKey(
        Metadata, models.DO_NOTHING, db_constraint=False, related_name="values"
    )
    #: SHA-256 of collection, name and value.
    digest = models.CharField(max_length=64)

    class Meta:
        indexes = [models.Index(fields=["digest", "metadata"], name="visualsnoop_server_values")]

    def __str__(self) -> str:
        return self.digest


class KeptGroup(models.Model):
    """Copies that a user has decided to keep all of; see ``content.review``."""

    collection = models.ForeignKey(
        HostedCollection, models.CASCADE, db_constraint=False, related_name="+"
    )
    #: SHA-256 of the ids and the files: a group that changes is to be reviewed again.
    fingerprint = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "fingerprint"], name="visualsnoop_server_kept_group"
            )
        ]

    def __str__(self) -> str:
        return self.fingerprint


class MailLimit(models.Model):
    """How many mails someone may still cause or get; see ``tenants.throttling``."""

    #: A keyed hash of who causes or gets the mails, so that the table holds no addresses.
    id = models.CharField(max_length=64, primary_key=True, editable=False)
    #: As in ``Key.requests_used_until``.
    used_until = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return self.id


class AccountSession(AbstractBaseSession):
    """A session that knows its account; see ``tenants.sessions``."""

    #: The primary key of the user as text; empty if nobody is signed in. A foreign key would make
    #: each page of a user who was deleted meanwhile an error.
    account_id = models.CharField(max_length=255, db_index=True)
