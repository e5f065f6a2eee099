"""A key hands over to the next: a document signed by the old one names the new one.

It lies beside the catalogue for good, named after the old key, so that whoever was away for
several hand-overs finds the whole chain. A key that was stolen can hand over too: then people
must be given the new key as they were given the first (`--replace-key`).
"""

from typing import Final

from mptcp_appliance import signing, strict_json
from mptcp_appliance.signing import PublicKey

SCHEMA: Final = "mptcp-check.key-rotation/1"

MOST_STEPS: Final = 16
"""So many hand-overs are followed at once."""


def file_name(old: PublicKey) -> str:
    """Return the name of the document in which `old` hands over."""
    return f"key-after-{old.name}.json"


def write(old: PublicKey, new: PublicKey) -> bytes:
    """Return the document."""
    return strict_json.written({"schema": SCHEMA, "old": old.text, "new": new.text})


def parse(data: bytes, *, old: PublicKey) -> PublicKey:
    """Return the key that a document names as the next; its signature is the caller's to check.

    Raises:
        ValueError: It is no such document, or not the one of `old`.
    """
    table = strict_json.table(data, schema=SCHEMA)
    if strict_json.text(table, "old", limit_chars=100) != old.text:
        raise ValueError(f"it is not the hand-over of the key {old.name}")
    new = signing.parse_public_key(strict_json.text(table, "new", limit_chars=100))
    if new == old:
        raise ValueError("the key hands over to itself")
    return new
