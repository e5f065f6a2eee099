import contextlib
import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import mptcp_upload
from mptcp_upload import archive, bundle, canonical_json
from mptcp_upload.errors import BundleError

ABOUT: dict[str, Any] = {
    "run_id": "01m7yb61k3p14f0rs2rvpkqs67",
    "started": "2026-11-21T06:02:33Z",
    "outcome": "mptcp",
    "tool_version": "0.1.0",
    "rules_version": "3",
    "anonymisation": {},
    "consent": {},
    "pre_anonymisation": {},
}
CONTENTS = {"report.json": b"{}", "captures/client.pcapng": b"packets" * 1000}
SCHEMA_FILE = Path(mptcp_upload.__file__).with_name("bundle.schema.json")


def test_what_was_put_in_comes_out() -> None:
    read = bundle.read(bundle.write(CONTENTS, ABOUT))

    assert {n: read.content(n) for n in read.names} == CONTENTS


def test_the_same_content_is_the_same_bytes_in_whatever_order_it_comes() -> None:
    backwards = dict(reversed(CONTENTS.items()))

    assert bundle.write(CONTENTS, ABOUT) == bundle.write(backwards, dict(reversed(ABOUT.items())))


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True), st.binary()))
def test_an_archive_is_read_back_and_has_one_form(members: dict[str, bytes]) -> None:
    octets = archive.write(members)

    read = {name: bytes(content) for name, content in archive.read(octets).items()}
    assert read == members
    assert archive.write(read) == octets


def test_an_archive_is_ustar(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(archive.write({"a": b"1", "b/c": b"2" * 600}))

    with tarfile.open(tmp_path / "a.tar") as tar:
        assert [(m.name, m.size, m.mtime, m.uid) for m in tar] == [
            ("a", 1, 0, 0),
            ("b/c", 600, 0, 0),
        ]


@given(st.binary(max_size=3000))
def test_garbage_is_no_bundle_and_nothing_worse(octets: bytes) -> None:
    with pytest.raises(BundleError):
        bundle.read(octets)


@given(st.data())
def test_a_changed_byte_is_noticed_but_in_the_manifests_own_texts_which_the_digest_covers(
    data: st.DataObject,
) -> None:
    good = bundle.write(CONTENTS, ABOUT)
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]

    assert bundle.digest(changed) != bundle.digest(good)
    with contextlib.suppress(BundleError):
        read, original = bundle.read(changed), bundle.read(good)
        assert {n: bytes(m) for n, m in read.stored.items()} == original.stored
        differing = [f for f in ABOUT if read.manifest[f] != original.manifest[f]]
        assert len(differing) == 1 or any(
            read.manifest["members"][n] != m for n, m in original.manifest["members"].items()
        )


@given(st.integers(0, 10_000))
def test_a_bundle_that_is_cut_off_is_noticed(length: int) -> None:
    good = bundle.write(CONTENTS, ABOUT)

    with pytest.raises(BundleError):
        bundle.read(good[: length % len(good)])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_a_manifest_of_anything_is_refused(value: object) -> None:
    octets = json.dumps(value).encode()

    with pytest.raises(BundleError):
        bundle.read(archive.write({bundle.MANIFEST: octets}))


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../b", "a//b", ".x", "a/.x", "x\0y", "", "a" * 101]
)
def test_a_name_that_leads_elsewhere_cannot_be_written(name: str) -> None:
    with pytest.raises(BundleError, match="cannot be the name"):
        archive.write({name: b""})


@pytest.mark.parametrize("name", [b"../../etc/passwd", b"/etc/passwd", b".ssh/id"])
def test_a_name_that_leads_elsewhere_cannot_be_read(name: bytes) -> None:
    header = bytearray(archive.write({"a": b""})[:512])
    header[: len(name)] = name
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)

    with pytest.raises(BundleError, match="no member of ours"):
        archive.read(bytes(header) + bytes(1024))


def manifest_changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    members = {n: bytes(m) for n, m in archive.read(bundle.write(CONTENTS, ABOUT)).items()}
    manifest = json.loads(members[bundle.MANIFEST])
    change(manifest)
    return archive.write({**members, bundle.MANIFEST: canonical_json.encode(manifest)})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(schema="mptcp-check.bundle/2"), "schema_too_new"),
        (lambda m: m.update(schema="mptcp-check.bundle/0"), "schema_too_old"),
        (lambda m: m.update(schema="other/1"), "bad_bundle"),
        (lambda m: m.pop("run_id"), "bad_bundle"),
        (lambda m: m.update(more=1), "bad_bundle"),
        (lambda m: m["members"].pop("report.json.zst"), "bad_bundle"),
        (lambda m: m["members"]["report.json.zst"].update(bytes=-1), "bad_bundle"),
        (lambda m: m["members"]["report.json.zst"].update(sha256="0" * 64), "bad_bundle"),
        (lambda m: m["members"]["report.json.zst"].update(content_bytes=1 << 40), "too_large"),
    ],
)
def test_each_lie_has_its_reason(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    with pytest.raises(BundleError) as caught:
        bundle.read(manifest_changed(change))

    assert caught.value.reason == reason


def test_a_missing_member_is_named() -> None:
    members = dict(archive.read(bundle.write(CONTENTS, ABOUT)))
    del members["report.json.zst"]

    with pytest.raises(BundleError, match=r"report\.json\.zst is missing"):
        bundle.read(archive.write({n: bytes(m) for n, m in members.items()}))


def with_stored(stored: bytes, content_bytes: int) -> bytes:
    listed = {
        "bytes": len(stored),
        "sha256": hashlib.sha256(stored).hexdigest(),
        "content_bytes": content_bytes,
        "content_sha256": hashlib.sha256(b"").hexdigest(),
    }
    manifest = {**ABOUT, "schema": bundle.SCHEMA, "members": {"bomb.zst": listed}}
    return archive.write({"bomb.zst": stored, bundle.MANIFEST: canonical_json.encode(manifest)})


def test_a_bomb_is_not_expanded_beyond_what_the_manifest_says() -> None:
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(64 << 20))
    read = bundle.read(with_stored(bomb, 1000))

    with pytest.raises(BundleError, match=r"does not expand to 1000 bytes|wants a window"):
        read.content("bomb")


@given(st.binary(max_size=200), st.integers(0, 5000))
def test_a_member_of_garbage_is_refused(stored: bytes, content_bytes: int) -> None:
    read = bundle.read(with_stored(stored, content_bytes))

    with pytest.raises(BundleError):
        read.content("bomb")


def test_the_published_schema_agrees_with_the_reader() -> None:
    schema = json.loads(SCHEMA_FILE.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good = dict(bundle.read(bundle.write(CONTENTS, ABOUT)).manifest)

    assert validator.is_valid(good)
    for field in good:
        assert not validator.is_valid({k: v for k, v in good.items() if k != field})
    assert not validator.is_valid({**good, "more": 1})
    assert schema["properties"]["schema"]["const"] == bundle.SCHEMA


SESSION: dict[str, Any] = {
    "server": "https://measure.example",
    "server_id": "measure",
    "session_id": "s1",
    "run_id": "01m7yb61k3p14f0rs2rvpkqs67",
    "ticket_sha256": "0" * 64,
}


@pytest.mark.parametrize(
    ("session", "good"),
    [
        (None, True),
        (SESSION, True),
        ({}, False),
        ([], False),
        ({**SESSION, "ticket": "secret"}, False),
        ({**SESSION, "server": 7}, False),
        ({**SESSION, "session_id": "x" * 201}, False),
        ({**SESSION, "ticket_sha256": "0" * 63}, False),
        ({k: v for k, v in SESSION.items() if k != "run_id"}, False),
    ],
)
def test_reader_and_schema_agree_on_sessions(session: object, good: bool) -> None:  # noqa: FBT001
    octets = manifest_changed(lambda m: m.update(server_session=session))
    manifest = json.loads(bytes(archive.read(octets)[bundle.MANIFEST]))
    schema = json.loads(SCHEMA_FILE.read_bytes())

    assert jsonschema.Draft202012Validator(schema).is_valid(manifest) is good
    if good:
        assert bundle.read(octets).manifest["server_session"] == session
    else:
        with pytest.raises(BundleError, match="server_session"):
            bundle.read(octets)


def test_canonical_json_is_sorted_dense_and_unescaped() -> None:
    assert canonical_json.encode({"b": 1, "a": ["é", None]}) == '{"a":["é",null],"b":1}'.encode()
    with pytest.raises(ValueError, match="floats"):
        canonical_json.encode({"a": 1.0})
