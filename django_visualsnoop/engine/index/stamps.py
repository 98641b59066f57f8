"""Numbers that tell whether an index holds the current state of a row. Imports no Django."""

from __future__ import annotations

from hashlib import blake2b


def compute_stamp(
    digest: str, version: int, embedding_model: str = "", embedding_digest: str = ""
) -> int:
    """Return a number that differs whenever what an index keeps of a row may differ.

    Args:
        digest: SHA-256 of the file, as hexadecimal digits.
        version: the description version.
        embedding_model: ``embedding.hash_identity`` of the model of the embedding.
        embedding_digest: SHA-256 of the file that the embedding is of.

    Returns:
        A number of 63 bits.
    """
    text = f"{digest}:{version}:{embedding_model}:{embedding_digest}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1
