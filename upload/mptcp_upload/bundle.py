"""A run as one immutable file: the same content is the same bytes, so a digest names it.

The archive (`archive.py`) holds `manifest.json` (canonical JSON, `bundle.schema.json`) and the
members it lists, each as one zstd frame. Sizes and digests are given for the member as stored and
as it expands; a reader knows before it expands anything how much it may get, and stops there.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import zstandard

from mptcp_upload import archive, canonical_json
from mptcp_upload.errors import VERDICT_ONLY, BundleError

SCHEMA: Final = "mptcp-check.bundle/1"
MANIFEST: Final = "manifest.json"
LEVEL: Final = 9
"""Of zstd; part of what makes two builds the same bytes."""
SUFFIX: Final = ".zst"

MANIFEST_BYTES_LIMIT: Final = 1 << 20
EXPANDED_BYTES_LIMIT: Final = 256 << 20
"""Of all members together."""
WINDOW_BYTES_LIMIT: Final = 8 << 20
"""What every decoder must be able to hold (RFC 8878, section 3.1.1.1.2)."""

_TEXTS: Final = (
    "run_id",
    "started",
    "outcome",
    "tool_version",
    "rules_version",
)
_OBJECTS: Final = ("anonymisation", "consent", "pre_anonymisation", "members")
_MEMBER: Final = {"bytes": int, "sha256": str, "content_bytes": int, "content_sha256": str}
_FIELDS: Final = frozenset({"schema", *_TEXTS, *_OBJECTS})
_SESSION: Final = "server_session"
"""May be missing, as in the first bundles; then it is the same as null."""
_SESSION_FIELDS: Final = ("server", "server_id", "session_id", "run_id", "ticket_sha256")
_TEXT_LIMIT: Final = 200
_SHA256: Final = re.compile("[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose archive, manifest and stored members have been checked."""

    manifest: Mapping[str, Any]
    stored: Mapping[str, memoryview]
    """Members as they are in the archive, by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members' contents, without the compression's suffix."""
        return tuple(name.removesuffix(SUFFIX) for name in sorted(self.stored))

    def content(self, name: str) -> bytes:
        """Expand one member.

        Args:
            name: As in `names`.

        Raises:
            BundleError: There is none, or it is not what the manifest says.
        """
        stored = self.stored.get(name + SUFFIX)
        if stored is None:
            raise BundleError(f"the bundle has no {name}")
        return _expand(name, stored, self.manifest["members"][name + SUFFIX])


def digest(octets: bytes) -> str:
    """Return what names a bundle: the SHA-256 of the whole file, hexadecimal."""
    return hashlib.sha256(octets).hexdigest()


def too_large(expanded_bytes: int) -> BundleError:
    """Return the error of a run whose files have more bytes than a bundle may hold."""
    return BundleError(
        f"the run has {expanded_bytes / 1e6:.0f} MB, a bundle holds"
        f" {EXPANDED_BYTES_LIMIT / 1e6:.0f} MB",
        reason="too_large",
        hint=VERDICT_ONLY,
    )


def write(contents: Mapping[str, bytes], about: Mapping[str, Any]) -> bytes:
    """Return the bundle.

    Args:
        contents: Members by name, not compressed.
        about: The other fields of the manifest: who measured what, and what was changed since.

    Raises:
        BundleError: A name or a field is not allowed, or it is larger than a bundle may be.
    """
    expanded_bytes = sum(map(len, contents.values()))
    if expanded_bytes > EXPANDED_BYTES_LIMIT:
        raise too_large(expanded_bytes)
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True, threads=0)
    stored, listed = {}, {}
    for name, content in contents.items():
        octets = compressor.compress(content)
        stored[name + SUFFIX] = octets
        listed[name + SUFFIX] = {
            "bytes": len(octets),
            "sha256": digest(octets),
            "content_bytes": len(content),
            "content_sha256": digest(content),
        }
    manifest = {**about, "schema": SCHEMA, "members": listed}
    _check_manifest(manifest)
    return archive.write({**stored, MANIFEST: canonical_json.encode(manifest)})


def read(octets: bytes) -> Bundle:
    """Check everything that can be checked without expanding a member.

    Raises:
        BundleError: With the reason; nothing else is raised, whatever the bytes are.
    """
    members = archive.read(octets)
    text = members.pop(MANIFEST, None)
    if text is None:
        raise BundleError(f"the archive has no {MANIFEST}")
    if len(text) > MANIFEST_BYTES_LIMIT:
        raise BundleError(f"{MANIFEST} has {len(text)} bytes", reason="too_large")
    manifest = canonical_json.decode(bytes(text), what=MANIFEST)
    _check_manifest(manifest)
    listed = manifest["members"]
    for name in sorted(listed.keys() ^ members.keys()):
        where = "missing" if name in listed else "not in the manifest"
        raise BundleError(f"member {name} is {where}")
    for name, octets_of_member in members.items():
        said = (listed[name]["bytes"], listed[name]["sha256"])
        if said != (len(octets_of_member), hashlib.sha256(octets_of_member).hexdigest()):
            raise BundleError(f"member {name} is not what the manifest says")
    return Bundle(manifest=manifest, stored=members)


def _check_manifest(manifest: object) -> None:
    if not isinstance(manifest, dict):
        raise BundleError(f"{MANIFEST} is no object")
    _check_schema(manifest.get("schema"))
    if (there := manifest.keys() - {_SESSION}) != _FIELDS:
        odd = ", ".join(sorted(map(str, there ^ _FIELDS)))
        raise BundleError(f"{MANIFEST}: these fields are missing or unknown: {odd[:_TEXT_LIMIT]}")
    for field in _TEXTS:
        if not isinstance(manifest[field], str) or len(manifest[field]) > _TEXT_LIMIT:
            raise BundleError(f"{MANIFEST}: {field} is no short text")
    for field in _OBJECTS:
        if not isinstance(manifest[field], dict):
            raise BundleError(f"{MANIFEST}: {field} is no object")
    _check_session(manifest.get(_SESSION))
    for name, member in manifest["members"].items():
        _check_member(name, member)
    expanded_bytes = sum(m["content_bytes"] for m in manifest["members"].values())
    if expanded_bytes > EXPANDED_BYTES_LIMIT:
        raise BundleError(
            f"the members would expand to {expanded_bytes} bytes,"
            f" {EXPANDED_BYTES_LIMIT} are allowed",
            reason="too_large",
        )


def _check_session(session: object) -> None:
    if session is None:
        return
    if not isinstance(session, dict) or session.keys() != set(_SESSION_FIELDS):
        raise BundleError(f"{MANIFEST}: {_SESSION} does not describe a session")
    for field in _SESSION_FIELDS:
        text = session[field]
        if not isinstance(text, str) or len(text) > _TEXT_LIMIT:
            raise BundleError(f"{MANIFEST}: {field} of {_SESSION} is no short text")
    if _SHA256.fullmatch(session["ticket_sha256"]) is None:
        raise BundleError(f"{MANIFEST}: ticket_sha256 of {_SESSION} is no digest")


def _check_schema(schema: object) -> None:
    if schema == SCHEMA:
        return
    word, _, number = schema.partition("/") if isinstance(schema, str) else ("", "", "")
    own_word, _, own_number = SCHEMA.partition("/")
    if word == own_word and number.isascii() and number.isdecimal() and len(number) < 7:  # noqa: PLR2004 - a version
        newer = int(number) > int(own_number)
        raise BundleError(
            f"the bundle is of schema {schema}, this program knows {SCHEMA}",
            reason="schema_too_new" if newer else "schema_too_old",
            hint="update mptcp-check" if newer else "measure again",
        )
    raise BundleError("this is no bundle of mptcp-check: its manifest names another schema")


def _check_member(name: str, member: object) -> None:
    if not archive.is_name(name) or not name.endswith(SUFFIX):
        raise BundleError(f"{name[:_TEXT_LIMIT]!r} cannot be the name of a member")
    if not isinstance(member, dict) or member.keys() != _MEMBER.keys():
        raise BundleError(f"{MANIFEST}: {name} is not described as a member is")
    for field, kind in _MEMBER.items():
        value = member[field]
        if kind is int:
            right = type(value) is int and value >= 0
        else:
            right = isinstance(value, str) and _SHA256.fullmatch(value) is not None
        if not right:
            raise BundleError(f"{MANIFEST}: {field} of {name} is not what it must be")


def _expand(name: str, stored: memoryview, member: Mapping[str, Any]) -> bytes:
    """Expand to exactly the size that the manifest gives, never further."""
    wanted_bytes = member["content_bytes"]
    try:
        head = zstandard.get_frame_parameters(bytes(stored[:18]))
        if head.window_size > max(WINDOW_BYTES_LIMIT, wanted_bytes):
            raise BundleError(f"member {name} wants a window of {head.window_size} bytes")
        decompressor = zstandard.ZstdDecompressor(
            max_window_size=max(WINDOW_BYTES_LIMIT, wanted_bytes)
        )
        with decompressor.stream_reader(stored, read_across_frames=True) as reader:
            content = reader.read(wanted_bytes)
            more = reader.read(1)
    except (zstandard.ZstdError, MemoryError):
        raise BundleError(f"member {name} cannot be expanded") from None
    if more or len(content) != wanted_bytes:
        raise BundleError(f"member {name} does not expand to {wanted_bytes} bytes")
    if digest(content) != member["content_sha256"]:
        raise BundleError(f"member {name} expands to something else than the manifest says")
    return bytes(content)
