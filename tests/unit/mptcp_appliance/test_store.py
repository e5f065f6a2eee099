import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance_declaration import SMALL
from image_catalogues import FACTS, KEY, NOW_S, OTHER_KEY, Laptop, made_image, published
from mptcp_appliance import cache, rollback, signing, store
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import Image, Origin
from mptcp_appliance.manifest import MANIFEST
from mptcp_appliance.rollback import Pin

NAMED = {**FACTS, "name": "small"}


@pytest.fixture
def fetched(tmp_path: Path, laptop: Laptop) -> Image:
    published(tmp_path / "published", made_image(tmp_path / "image", **NAMED))
    return laptop.fetch(str(tmp_path / "published"), KEY.public, name="small")


def find(laptop: Laptop, architecture: str = "amd64") -> Image | None:
    return store.find(SMALL, cache_dir=laptop.images, architecture=architecture)


def test_without_a_local_build_the_fetched_image_is_found(laptop: Laptop, fetched: Image) -> None:
    assert find(laptop) == fetched
    assert find(laptop, "arm64") is None


def test_nothing_is_found_where_nothing_is(laptop: Laptop) -> None:
    assert find(laptop) is None


def test_what_was_built_here_goes_before_what_was_fetched(
    laptop: Laptop, fetched: Image, tmp_path: Path
) -> None:
    place = cache._directory(SMALL, laptop.images, "amd64")
    shutil.copytree(made_image(tmp_path / "built", "built", **NAMED), place)

    found = find(laptop)

    assert found is not None
    assert (found.directory, found.origin) == (place, None)
    assert found.digest != fetched.digest
    # no key is needed: who could change the image could change its manifest
    store.check(found, pins=tmp_path / "none")


def test_the_last_fetched_is_found(laptop: Laptop, fetched: Image, tmp_path: Path) -> None:
    published(tmp_path / "published", made_image(tmp_path / "second", "second", **NAMED))
    second = laptop.fetch(str(tmp_path / "published"), name="small")
    assert second != fetched
    assert find(laptop) == second

    # of two catalogues the one that was asked last; their versions say nothing
    published(tmp_path / "other", tmp_path / "image")
    third = laptop.fetch(str(tmp_path / "other"), KEY.public, name="small", now_s=NOW_S + 1)
    assert find(laptop) == third
    again = laptop.fetch(str(tmp_path / "published"), name="small", now_s=NOW_S + 2)
    assert again.directory == second.directory
    assert find(laptop) == again


def test_an_image_for_another_tool_is_not_found(
    laptop: Laptop, fetched: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "INTERFACE", fetched.interface + 1)

    assert find(laptop) is None


def test_images_of_both_kinds_are_listed(laptop: Laptop, fetched: Image, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "image", laptop.images / "small-amd64-0123")
    (laptop.images / ".partial-x").mkdir()
    shutil.copy(fetched.manifest, laptop.images / ".partial-x")

    assert list(store.fetched_folders(laptop.images)) == [fetched.directory]
    assert list(store.built_folders(laptop.images)) == [laptop.images / "small-amd64-0123"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (f"{MANIFEST}.minisig", None, r"minisig cannot be read: no such file"),
        (f"{MANIFEST}.minisig", b"garbage", "not the four lines"),
        ("kernel", b"x" * 300_000, "kernel was changed"),
        ("sbom.cdx.json", None, ""),
    ],
)
def test_what_was_changed_is_refused_at_the_next_boot(
    laptop: Laptop, fetched: Image, name: str, content: bytes | None, reason: str
) -> None:
    path = fetched.directory / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    found = find(laptop)
    assert found is not None
    if not reason:
        # what does not boot may be absent
        store.check(found, pins=laptop.pins)
        return

    with pytest.raises(ImageError, match=reason) as caught:
        store.check(found, pins=laptop.pins)
    assert "image fetch" in caught.value.hint


def test_a_manifest_that_a_stranger_signed_is_refused(laptop: Laptop, fetched: Image) -> None:
    forged = signing.sign(fetched.manifest.read_bytes(), OTHER_KEY, trusted_comment="")
    fetched.directory.joinpath(f"{MANIFEST}.minisig").write_text(forged.text)

    with pytest.raises(ImageError, match="not with the trusted key"):
        store.check(fetched, pins=laptop.pins)


def test_a_manifest_that_was_changed_is_refused(laptop: Laptop, fetched: Image) -> None:
    text = fetched.manifest.read_text().replace('"command_line": "quiet"', '"command_line": "loud"')
    fetched.manifest.write_text(text)
    found = find(laptop)
    assert found is not None

    with pytest.raises(ImageError, match=r"manifest\.json: it was changed after it was signed"):
        store.check(found, pins=laptop.pins)


def test_a_manifest_that_was_swapped_after_it_was_read_is_refused(
    laptop: Laptop, fetched: Image, tmp_path: Path
) -> None:
    """Also one with a good signature: an older image of the same catalogue, for one."""
    source = made_image(tmp_path / "second", "second", **NAMED)
    newest = published(tmp_path / "published", source).images[0].folder
    for name in (MANIFEST, f"{MANIFEST}.minisig"):
        shutil.copy(tmp_path / "published" / newest / name, fetched.directory / name)

    with pytest.raises(ImageError, match="it was changed after it was read"):
        store.check(fetched, pins=laptop.pins)


def test_an_image_of_a_catalogue_that_is_forgotten_is_refused(
    laptop: Laptop, fetched: Image
) -> None:
    laptop.pins.unlink()

    with pytest.raises(ImageError, match="which is not trusted here") as caught:
        store.check(fetched, pins=laptop.pins)
    assert "--key" in caught.value.hint


def test_a_fetched_image_cannot_pose_as_one_that_was_built_here(
    laptop: Laptop, fetched: Image
) -> None:
    (fetched.directory / store.ORIGIN).unlink()

    with pytest.raises(ImageError, match="does not say where the image came from"):
        find(laptop)


def test_a_catalogue_vouches_only_for_its_own_images(laptop: Laptop, fetched: Image) -> None:
    url = "https://other.example"
    rollback.keep(laptop.pins, url, lambda _: Pin(url=url, key=OTHER_KEY.public))
    origin = store.write_origin(Origin(catalogue=url, added=1, fetched_s=1))
    (fetched.directory / store.ORIGIN).write_bytes(origin)
    found = find(laptop)
    assert found is not None

    with pytest.raises(ImageError, match="not with the trusted key"):
        store.check(found, pins=laptop.pins)


@given(st.binary(max_size=200))
def test_bytes_are_an_origin_or_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        store.parse_origin(data)
