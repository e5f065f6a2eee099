import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_appliance import manifest
from mptcp_appliance.manifest import PARTS, Part

PART = Part(sha256="ab" * 32, size_bytes=7)
WHOLE = manifest.write(
    dict.fromkeys(PARTS, PART), command_line="console=ttyS0", facts={"packages": {"curl": "7"}}
)


@given(
    st.lists(st.builds(Part, sha256=st.text(), size_bytes=st.integers(0)), min_size=3, max_size=3),
    st.text(),
)
def test_what_is_written_is_read_back(parts: list[Part], words: str) -> None:
    by_name = dict(zip(PARTS, parts, strict=True))

    found = manifest.parse(manifest.write(by_name, command_line=words, facts={}))

    assert found.parts == by_name
    assert found.command_line == words


def test_the_digest_is_that_of_a_list_of_checksums() -> None:
    # printf 'ab...  kernel\nab...  initrd.img\nab...  rootfs.squashfs\n' | sha256sum
    assert json.loads(WHOLE)["digest"] == manifest.parse(WHOLE).digest
    assert manifest.parse(WHOLE).digest == (
        "c696ec03d1ec415dc09df3fa866f8f0d7392d1b5dca1608dbffbab2c2c183387"
    )


def test_a_changed_part_changes_the_digest() -> None:
    other = dict.fromkeys(PARTS, PART) | {PARTS[2]: Part(sha256="cd" * 32, size_bytes=7)}
    changed = manifest.write(other, command_line="", facts={})

    assert manifest.parse(changed).digest != manifest.parse(WHOLE).digest


def without(key: str) -> str:
    table: dict[str, Any] = json.loads(WHOLE)
    del table[key]
    return json.dumps(table)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        WHOLE[:-5],
        WHOLE.replace("image/1", "image/2"),
        WHOLE.replace("rootfs.squashfs", "rootfs.ext4"),
        WHOLE.replace('"bytes": 7', '"bytes": "7"'),
        without("files"),
        without("command_line"),
        without("schema"),
    ],
)
def test_anything_else_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        manifest.parse(text)
