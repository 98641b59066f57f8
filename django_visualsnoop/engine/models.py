"""The engine's tables. Importing them needs neither Pillow, numpy nor OpenCV."""

from __future__ import annotations

import secrets
from hashlib import sha256

from django.db import models


def new_collection_id() -> str:
    return secrets.token_hex(4)


def key_of(text: str) -> str:
    """Return the SHA-256 of a name or image id: unique whatever the database's collation.

    MariaDB's usual ones take "a", "A" and "a " for equal.
    """
    return sha256(text.encode("utf-8")).hexdigest()


class Collection(models.Model):
    #: Random, so that a process notices if the table was created again.
    collection_id = models.CharField(
        max_length=8, primary_key=True, default=new_collection_id, editable=False
    )
    name = models.CharField(max_length=255)
    key = models.CharField(max_length=64, unique=True, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    #: The last number given to committed rows.
    seq = models.BigIntegerField(default=0, editable=False)
    #: Tombstones with numbers up to this may be gone. A process with an older index reloads it.
    horizon = models.BigIntegerField(default=0, editable=False)
    #: The number up to which ``vector_blocks`` hold all rows; 0 if there are none.
    blocks_seq = models.BigIntegerField(default=0, db_default=0, editable=False)
    #: When a process set about to write them, in microseconds since 1970; 0 if none is at it.
    blocks_leased_at = models.BigIntegerField(
        default=0, db_default=0, db_column="blocks_claimed", editable=False
    )

    def __str__(self) -> str:
        return self.name


class IndexedImage(models.Model):
    # Without a constraint in the database: checking it would lock the collection's row,
    # so that writers and the publish step, which counts there, would wait for each other.
    collection = models.ForeignKey(
        Collection, models.CASCADE, db_constraint=False, related_name="images"
    )
    key = models.CharField(max_length=64, editable=False)
    image_id = models.CharField(max_length=100)
    #: When it was added or last updated, in microseconds since 1970 (UTC): exact on every database.
    image_time = models.BigIntegerField()
    #: When it was deleted, likewise. A deleted row stays as a tombstone, for processes to see.
    deleted = models.BigIntegerField(null=True, default=None)
    #: ``Descriptor.to_bytes()``: the global vector, then the local features.
    vector = models.BinaryField()
    #: ``descriptor.DESCRIPTION_VERSION`` of what is kept of the picture.
    version = models.PositiveSmallIntegerField()
    #: ``thumbnail.encode()``; valid from description version 5 on. Processes of releases without
    #: thumbnails leave it when they replace the file, but write their own version.
    thumbnail = models.BinaryField(null=True, default=None)
    #: ``Capture.pack()``, likewise; ``None`` if the file has none.
    capture = models.BinaryField(null=True, default=None)
    #: SHA-256 of the file.
    digest = models.CharField(max_length=64)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    #: The vector of the model in the setting's option ``embedding``, if there is one.
    embedding = models.BinaryField(null=True, default=None, db_column="looks")
    #: ``embedding.hash_identity`` of that model; empty without.
    embedding_model = models.CharField(
        max_length=16, default="", db_default="", db_column="looks_of"
    )
    #: SHA-256 of the file that it is of. Processes of releases without embeddings leave it when
    #: they replace the file.
    embedding_digest = models.CharField(
        max_length=64, default="", db_default="", db_column="looks_digest"
    )
    #: The number of this state of the row; none until the publish step has seen it committed.
    seq = models.BigIntegerField(null=True, default=None, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "key"], name="visualsnoop_engine_one_per_id"
            )
        ]
        indexes = [
            models.Index(fields=["collection", "seq"], name="visualsnoop_engine_seq"),
            models.Index(
                fields=["collection", "-image_time", "-id"], name="visualsnoop_engine_list"
            ),
            models.Index(fields=["collection", "version", "id"], name="visualsnoop_engine_version"),
            models.Index(
                fields=["collection", "embedding_model", "id"], name="visualsnoop_engine_looks"
            ),
        ]

    def __str__(self) -> str:
        return self.image_id


class VectorBlock(models.Model):
    """Ids and vectors of some thousand images; see ``vector_blocks``."""

    collection = models.ForeignKey(
        Collection, models.CASCADE, db_constraint=False, related_name="vector_blocks"
    )
    #: The ``blocks_seq`` with which it is valid.
    seq = models.BigIntegerField(editable=False)
    #: 0 for the first of these.
    place = models.PositiveIntegerField(editable=False)
    content = models.BinaryField()

    class Meta:
        db_table = "visualsnoop_engine_block"
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "seq", "place"], name="visualsnoop_engine_one_block"
            )
        ]

    def __str__(self) -> str:
        return f"{self.collection_id}: {self.place}"


class OutsideIndexState(models.Model):
    """How far an index outside the process has followed the rows of a collection."""

    collection = models.ForeignKey(
        Collection, models.CASCADE, db_constraint=False, related_name="outside_indexes"
    )
    #: ``OutsideIndex.name``.
    name = models.CharField(max_length=16)
    #: ``OutsideIndex.version`` of the entries.
    version = models.PositiveIntegerField()
    #: The index holds the state of all rows with numbers up to this one.
    seq = models.BigIntegerField(default=0, editable=False)
    #: Whether searches may use it: it has followed all rows once, and was compared with them.
    complete = models.BooleanField(default=False)
    #: Entries of rows up to this primary key were compared with them; 0 if none since the last time
    #: that all were.
    compared_row = models.BigIntegerField(default=0, editable=False)
    #: When a process last began to write entries, in microseconds since 1970; 0 if none does.
    leased_at = models.BigIntegerField(default=0, editable=False)

    class Meta:
        db_table = "visualsnoop_engine_outside"
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "name"], name="visualsnoop_engine_one_state"
            )
        ]

    def __str__(self) -> str:
        return f"{self.collection_id}: {self.name}"


class PairVerdict(models.Model):
    """What a closer look at two files has found; see ``closer_looks``.

    Verdicts are of one collection: no other one can tell from them what this one holds.
    """

    collection = models.ForeignKey(
        Collection, models.CASCADE, db_constraint=False, related_name="pair_verdicts"
    )
    #: ``hash_files`` of the digests of both files.
    key = models.CharField(max_length=64, editable=False)
    #: Images with these files. The verdict is deleted with either, or when its file changes.
    first = models.ForeignKey(
        IndexedImage, models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    second = models.ForeignKey(
        IndexedImage, models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    #: ``closer_look.VERSION`` of the code that looked.
    version = models.PositiveSmallIntegerField()
    #: One of ``search_options.RELATIONS``.
    relation = models.CharField(max_length=10)
    #: The logarithm of the odds that one is a copy of the other.
    score = models.FloatField()
    #: 0 to 1: the share of what both show that differs.
    difference = models.FloatField()

    class Meta:
        db_table = "visualsnoop_engine_verdict"
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "key", "version"], name="visualsnoop_engine_one_verdict"
            )
        ]

    def __str__(self) -> str:
        return f"{self.collection_id}: {self.first_id}, {self.second_id}"


class NotDuplicate(models.Model):
    """Two images that a user marked as not duplicates; see ``storage.not_duplicates``."""

    collection = models.ForeignKey(
        Collection, models.CASCADE, db_constraint=False, related_name="not_duplicates"
    )
    #: ``key_of`` the ids.
    first_key = models.CharField(max_length=64, editable=False)
    second_key = models.CharField(max_length=64, editable=False)
    #: ``first_id < second_id``.
    first_id = models.CharField(max_length=100)
    second_id = models.CharField(max_length=100)
    #: SHA-256 of the files: the mark does not apply to other pictures with these ids.
    first_digest = models.CharField(max_length=64)
    second_digest = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "visualsnoop_engine_not_duplicate"
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "first_key", "second_key"],
                name="visualsnoop_engine_one_mark",
            )
        ]
        indexes = [
            models.Index(fields=["collection", "second_key"], name="visualsnoop_engine_second")
        ]

    def __str__(self) -> str:
        return f"{self.first_id}, {self.second_id}"
