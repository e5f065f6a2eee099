import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_catalogues import NOW_S, made_image
from mptcp_appliance import catalogue, manifest
from mptcp_appliance.catalogue import Catalogue, Entry
from mptcp_appliance.manifest import PARTS, Part

PART = Part(sha256="ab" * 32, size_bytes=7, role="kernel", format="direct")


def entry(folder: str = "appliance-amd64-1", added: int = 1, **keys: Any) -> Entry:  # noqa: ANN401 - any field
    parts = dict.fromkeys(PARTS, PART)
    values: dict[str, Any] = {
        "folder": folder,
        "name": "appliance",
        "architecture": "amd64",
        "interface": 1,
        "kernel_release": "6.12.1",
        "added": added,
        "digest": manifest.digest(parts),
        "manifest": Part(sha256="cd" * 32, size_bytes=100),
        "parts": parts,
    }
    return Entry(**{**values, **keys})


def whole(*images: Entry) -> Catalogue:
    return Catalogue(
        title="Größtes Labor",
        version=7,
        created_s=NOW_S,
        expires_s=NOW_S + 86_400,
        images=images or (entry(),),
    )


TABLE = json.loads(catalogue.write(whole()))


def test_what_is_written_is_read_back() -> None:
    found = whole(entry(), entry("other-arm64-2", 7, name="other", architecture="arm64"))

    assert catalogue.parse(catalogue.write(found)) == found


@given(st.integers(0, 253_402_300_799), st.integers(1, (1 << 53) - 1))
def test_any_time_and_version_come_back(time_s: int, version: int) -> None:
    found = Catalogue(title="", version=version, created_s=0, expires_s=time_s, images=())

    assert catalogue.parse(catalogue.write(found)) == found


def test_the_newest_image_of_a_kind_is_chosen() -> None:
    images = [
        entry("a", 3),
        entry("b", 5),
        entry("c", 6, interface=2),
        entry("d", 6, architecture="arm64"),
        entry("e", 6, name="other"),
    ]

    found = catalogue.newest(images, name="appliance", architecture="amd64", interface=1)
    assert found is not None
    assert found.folder == "b"
    assert catalogue.newest(images, name="appliance", architecture="mips", interface=1) is None


def test_an_image_is_listed_by_its_manifests_digest(tmp_path: Path) -> None:
    content = (made_image(tmp_path / "image") / "manifest.json").read_bytes()

    listed = catalogue.entry(manifest.parse(content), content=content, added=3)

    assert listed.folder == f"appliance-amd64-{manifest.part_of(content).sha256[:16]}"
    assert listed.manifest.size_bytes == len(content)


def changed(**keys: object) -> bytes:
    return json.dumps({k: v for k, v in {**TABLE, **keys}.items() if v is not None}).encode()


def with_image(**keys: object) -> bytes:
    image = {**TABLE["images"][0], **keys}
    return changed(images=[{k: v for k, v in image.items() if v is not None}])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff", "."),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (catalogue.LIMIT_BYTES + 1), "larger than"),
        (changed(schema="mptcp-check.catalogue/2"), "not of the schema"),
        (changed(version=0), "version is not a whole number"),
        (changed(version=1 << 53), "version is not a whole number"),
        (changed(version=7.5), "version is not a whole number"),
        (changed(version=None), "version is not a whole number"),
        (changed(expires="tomorrow"), "expires is not a time"),
        (changed(expires=None), "expires is not a text"),
        (changed(created=5), "created is not a text"),
        (changed(title="bell\a"), "title is not a text"),
        (changed(images={}), "images is not a list"),
        (changed(images=[7]), "images is not a list"),
        (changed(images=[TABLE["images"][0]] * 2), "two images have the same folder"),
        (with_image(folder="../up"), "not a plain file name"),
        (with_image(folder="https://elsewhere"), "not a plain file name"),
        (with_image(folder=None), "not a plain file name"),
        (with_image(added=8), "added in a version to come"),
        (with_image(digest="ab" * 32), "digest of appliance-amd64-1 is not that of its parts"),
        (with_image(manifest=None), "an image has no manifest"),
        (with_image(manifest={"sha256": "cd" * 32, "bytes": 1 << 40}), "bytes is not"),
        (with_image(parts={}), "does not describe the file kernel"),
        (with_image(interface=-1), "interface is not a whole number"),
    ],
)
def test_anything_else_is_a_value_error_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        catalogue.parse(data)


@given(st.binary(max_size=200))
def test_bytes_are_a_catalogue_or_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        catalogue.parse(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(TABLE)), JSON)
def test_any_value_in_any_place_is_taken_or_a_value_error(key: str, value: object) -> None:
    try:
        found = catalogue.parse(changed(**{key: value}))
    except ValueError:
        return
    assert catalogue.parse(catalogue.write(found)) == found


@given(st.sampled_from(sorted(TABLE["images"][0])), JSON)
def test_any_value_in_an_image_is_taken_or_a_value_error(key: str, value: object) -> None:
    try:
        found = catalogue.parse(with_image(**{key: value}))
    except ValueError:
        return
    assert catalogue.parse(catalogue.write(found)) == found
