import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_appliance import manifest
from mptcp_appliance.manifest import KINDS, PARTS, Part

PART = Part(sha256="ab" * 32, size_bytes=7)
WHOLE = manifest.write(
    dict.fromkeys(PARTS, PART), command_line="console=ttyS0", facts={"packages": {"curl": "7"}}
)

PART_VALUES = st.builds(
    Part,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    size_bytes=st.integers(1, 1 << 34),
    role=st.from_regex(r"[a-z][a-z-]{0,9}", fullmatch=True),
    format=st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True),
)


@given(
    st.fixed_dictionaries(dict.fromkeys(PARTS, PART_VALUES)),
    st.dictionaries(st.from_regex(r"disk[a-z0-9]{1,3}\.[a-z]{1,5}", fullmatch=True), PART_VALUES),
    st.text(st.characters(categories=("L", "N", "P")), max_size=50),
)
def test_what_is_written_is_read_back(
    boot: dict[str, Part], others: dict[str, Part], words: str
) -> None:
    parts = {**others, **boot}

    found = manifest.parse(manifest.write(parts, command_line=words, facts={"name": "x"}))

    assert found.parts == parts
    assert tuple(found.parts)[:3] == PARTS
    assert (found.name, found.command_line) == ("x", words)
    assert found.interface == manifest.INTERFACE


def test_known_files_have_their_role_and_format() -> None:
    found = manifest.parse(manifest.write(dict.fromkeys(KINDS, PART), command_line="", facts={}))

    assert {n: (p.role, p.format) for n, p in found.parts.items()} == dict(KINDS)


def test_the_digest_is_that_of_a_list_of_checksums() -> None:
    # printf 'ab...  kernel\nab...  initrd.img\nab...  rootfs.squashfs\n' | sha256sum
    assert json.loads(WHOLE)["digest"] == manifest.parse(WHOLE).digest
    assert manifest.parse(WHOLE).digest == (
        "c696ec03d1ec415dc09df3fa866f8f0d7392d1b5dca1608dbffbab2c2c183387"
    )


def test_what_boots_decides_the_digest_and_nothing_else() -> None:
    other = Part(sha256="cd" * 32, size_bytes=7)
    changed = dict.fromkeys(PARTS, PART) | {PARTS[2]: other}
    extended = manifest.with_parts(
        WHOLE, {"disk.raw": Part(sha256="ef" * 32, size_bytes=9, role="disk", format="raw")}
    )

    text = manifest.write(changed, command_line="", facts={})
    assert manifest.parse(text).digest != manifest.parse(WHOLE).digest
    assert manifest.parse(extended).digest == manifest.parse(WHOLE).digest


def test_a_further_part_leaves_all_facts_as_they_were() -> None:
    disk = Part(sha256="ef" * 32, size_bytes=9, role="disk", format="raw")
    extended = manifest.with_parts(WHOLE, {"disk.raw": disk})

    assert manifest.parse(extended).parts["disk.raw"] == disk
    before, after = json.loads(WHOLE), json.loads(extended)
    del before["files"], after["files"]
    assert before == after


def test_roles_formats_and_keys_of_a_later_version_are_taken_and_kept() -> None:
    table = json.loads(WHOLE)
    table["new-fact"] = {"of": ["any", "kind"]}
    table["files"]["firmware.bin"] = {
        "role": "firmware", "format": "new", "sha256": "ef" * 32, "bytes": 9, "more": 1,
    }  # fmt: skip

    found = manifest.parse(json.dumps(table))

    assert found.parts["firmware.bin"].role == "firmware"
    assert found.digest == manifest.parse(WHOLE).digest


def changed(**keys: object) -> str:
    table: dict[str, Any] = json.loads(WHOLE)
    table.update(keys)
    return json.dumps({key: value for key, value in table.items() if value is not None})


def with_file(name: str, **keys: object) -> str:
    table: dict[str, Any] = json.loads(WHOLE)
    row = {"role": "disk", "format": "raw", "sha256": "ef" * 32, "bytes": 9, **keys}
    table["files"][name] = row
    return json.dumps(table)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "not of the schema"),
        ("[" * 100_000, "nested too deeply"),
        (WHOLE[:-5], "."),
        (WHOLE.replace("image/2", "image/3"), "not of the schema"),
        (WHOLE.replace("rootfs.squashfs", "rootfs.ext4"), r"describe the file rootfs\.squashfs"),
        (WHOLE.replace('"bytes": 7', '"bytes": "7"'), "bytes is not a whole number"),
        (WHOLE.replace('"bytes": 7', '"bytes": true'), "bytes is not a whole number"),
        (WHOLE.replace('"bytes": 7', '"bytes": 0'), "bytes is not a whole number"),
        (WHOLE.replace('"bytes": 7', '"bytes": NaN'), "NaN is not JSON"),
        (WHOLE.replace("abab", "ABAB", 1), "SHA-256"),
        (WHOLE.replace('"digest"', '"command_line"'), "a key twice"),
        (changed(files=None), "files is not a table"),
        (changed(command_line=None), "command_line"),
        (changed(command_line="two\nlines"), "command_line"),
        (changed(schema=None), "schema"),
        (changed(interface=None), "interface"),
        (changed(digest="ab" * 32), "its digest is not that of its parts"),
        (with_file("../kernel"), "not a plain file name"),
        (with_file("a/b"), "not a plain file name"),
        (with_file(".hidden"), "not a plain file name"),
        (with_file("KERNEL"), "upper and lower case"),
        (with_file("manifest.json.minisig"), "cannot be called"),
        (with_file("disk", role="a disk"), "role is not a word"),
        (with_file("disk", format=None), "format is not a word"),
        (with_file("disk", bytes=1 << 60), "bytes is not a whole number"),
    ],
)
def test_anything_else_is_a_value_error_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        manifest.parse(text)


@given(st.binary(max_size=200))
def test_bytes_are_a_manifest_or_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        manifest.parse(data)


@given(st.integers(0, len(WHOLE) - 1), st.characters(codec="utf-8"))
def test_a_damaged_manifest_is_a_manifest_or_a_value_error(place: int, character: str) -> None:
    try:
        found = manifest.parse(WHOLE[:place] + character + WHOLE[place + 1 :])
    except ValueError:
        return
    assert tuple(found.parts)[:3] == PARTS


def test_a_part_that_no_reader_would_take_is_not_written() -> None:
    with pytest.raises(ValueError, match="role is not a word"):
        manifest.write({**dict.fromkeys(PARTS, PART), "x": PART}, command_line="", facts={})
