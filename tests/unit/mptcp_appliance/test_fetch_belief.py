"""Which catalogues and files are believed: keys, hand-overs, versions, digests and sizes."""

import shutil
from pathlib import Path

import pytest

from image_catalogues import (
    DAY_S,
    KEY,
    NOW_S,
    OTHER_KEY,
    SIZES,
    Laptop,
    Served,
    made_image,
    published,
    serving,
)
from mptcp_appliance import rollback, signing, store
from mptcp_appliance.catalogue import CATALOGUE
from mptcp_appliance.errors import ImageError
from mptcp_appliance.manifest import KERNEL, MANIFEST, ROOTFS

PUBLIC = KEY.public


def test_a_catalogue_is_never_trusted_without_its_key(server: Served, laptop: Laptop) -> None:
    with pytest.raises(ImageError, match="so its key must be given"):
        laptop.fetch(server[0])

    assert not laptop.home.exists()


def test_the_wrong_key_is_refused_and_not_remembered(server: Served, laptop: Laptop) -> None:
    with pytest.raises(ImageError, match=f"not with the trusted key {OTHER_KEY.public.name}"):
        laptop.fetch(server[0], OTHER_KEY.public)

    assert rollback.pins(laptop.pins) == {}


def test_another_key_than_the_known_one_needs_a_word(server: Served, laptop: Laptop) -> None:
    laptop.fetch(server[0], PUBLIC)

    with pytest.raises(ImageError, match="trusted here with the key") as caught:
        laptop.fetch(server[0], OTHER_KEY.public)
    assert "--replace-key" in caught.value.hint


def test_a_replaced_key_forgets_what_was_seen(
    folder: Path, server: Served, laptop: Laptop, tmp_path: Path
) -> None:
    """Who stole the old key may have raised the version beyond everything."""
    url, _ = server
    published(folder, made_image(tmp_path / "second", "second"))
    laptop.fetch(url, PUBLIC)
    shutil.rmtree(folder)
    published(folder, tmp_path / "second", key=OTHER_KEY)

    found = laptop.fetch(url, OTHER_KEY.public, replace_key=True)

    assert rollback.pins(laptop.pins)[url].version == 1
    store.check(found, pins=laptop.pins)
    assert laptop.whole() == [found.directory.name]


def test_a_replaced_key_may_be_the_same_after_a_restored_backup(
    folder: Path, server: Served, laptop: Laptop, tmp_path: Path
) -> None:
    url, _ = server
    shutil.copytree(folder, tmp_path / "backup")
    published(folder, made_image(tmp_path / "second", "second"))
    laptop.fetch(url, PUBLIC)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "backup", folder)

    laptop.fetch(url, PUBLIC, replace_key=True)

    assert rollback.pins(laptop.pins)[url].version == 1


def test_a_key_that_hands_over_is_followed_over_several_steps(
    folder: Path, server: Served, laptop: Laptop, tmp_path: Path
) -> None:
    url, _ = server
    old = laptop.fetch(url, PUBLIC)
    third = signing.SecretKey(key_id=b"third...", seed=b"3" * 32)
    published(folder, key=OTHER_KEY, old_key=KEY)
    published(folder, made_image(tmp_path / "second", "second"), key=third, old_key=OTHER_KEY)

    found = laptop.fetch(url)

    pin = rollback.pins(laptop.pins)[url]
    assert (pin.key, pin.former) == (third.public, (PUBLIC, OTHER_KEY.public))
    store.check(found, pins=laptop.pins)
    # what the old key signed would not boot any more
    assert not old.directory.exists()
    assert laptop.fetch(url, PUBLIC) == found


def test_an_image_that_stays_is_signed_anew_after_a_hand_over(
    folder: Path, server: Served, laptop: Laptop
) -> None:
    url, wrong = server
    laptop.fetch(url, PUBLIC)
    published(folder, key=OTHER_KEY, old_key=KEY)
    wrong.requests.clear()

    store.check(laptop.fetch(url), pins=laptop.pins)
    assert not any(path.endswith((KERNEL, ROOTFS)) for path, _ in wrong.requests)


def test_a_hand_over_that_the_old_key_did_not_sign_is_refused(
    folder: Path, server: Served, laptop: Laptop
) -> None:
    url, _ = server
    laptop.fetch(url, PUBLIC)
    published(folder, key=OTHER_KEY, old_key=KEY)
    (document,) = folder.glob("key-after-*.json")
    proof = document.with_name(document.name + signing.SUFFIX)
    forged = signing.sign(document.read_bytes(), OTHER_KEY, trusted_comment="trust me")
    proof.write_text(forged.text)

    with pytest.raises(ImageError, match="the hand-over of its key cannot be believed"):
        laptop.fetch(url)
    assert rollback.pins(laptop.pins)[url].key == PUBLIC


def test_an_older_version_than_seen_before_is_refused(
    folder: Path, server: Served, laptop: Laptop, tmp_path: Path
) -> None:
    url, _ = server
    shutil.copytree(folder, tmp_path / "old")
    published(folder, made_image(tmp_path / "second", "second"))
    newer = laptop.fetch(url, PUBLIC)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)

    with pytest.raises(ImageError, match="has version 1, version 2 was seen before"):
        laptop.fetch(url)
    assert laptop.whole() == [newer.directory.name]
    store.check(newer, pins=laptop.pins)


def test_another_catalogue_of_the_same_version_is_refused(
    folder: Path, server: Served, laptop: Laptop, tmp_path: Path
) -> None:
    laptop.fetch(server[0], PUBLIC)
    shutil.rmtree(folder)
    published(folder, made_image(tmp_path / "second", "second"))

    with pytest.raises(ImageError, match="version 1 that was seen before, with other content"):
        laptop.fetch(server[0])


def test_an_expired_catalogue_is_refused_and_its_images_still_boot(
    server: Served, laptop: Laptop
) -> None:
    url, _ = server
    found = laptop.fetch(url, PUBLIC)

    with pytest.raises(ImageError, match="expired at 2027-04-15T08:00:00Z") as caught:
        laptop.fetch(url, now_s=NOW_S + 90 * DAY_S)
    assert "correct the clock" in caught.value.hint
    store.check(found, pins=laptop.pins)


@pytest.mark.parametrize("name", [CATALOGUE, f"{CATALOGUE}.minisig"])
def test_a_tampered_catalogue_is_refused(
    folder: Path, server: Served, laptop: Laptop, name: str
) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) * 2 // 3] ^= 1
    (folder / name).write_bytes(data)

    with pytest.raises(ImageError, match="is refused: "):
        laptop.fetch(server[0], PUBLIC)
    assert not laptop.home.exists()


def test_a_catalogue_that_is_being_replaced_is_read_again(
    folder: Path, laptop: Laptop, tmp_path: Path
) -> None:
    with serving(folder) as (url, wrong):
        wrong.bodies[CATALOGUE] = (folder / CATALOGUE).read_bytes()
        published(folder, made_image(tmp_path / "second", "second"))

        class Settling(list[float]):
            def append(self, _: float) -> None:
                wrong.bodies.clear()

        Laptop(home=laptop.home, waited_s=Settling()).fetch(url, PUBLIC)

        assert rollback.pins(laptop.pins)[url].version == 2


@pytest.mark.parametrize("name", [MANIFEST, f"{MANIFEST}.minisig"])
def test_a_tampered_manifest_is_refused(
    folder: Path, server: Served, laptop: Laptop, entry: str, name: str
) -> None:
    path = folder / entry / name
    path.write_bytes(path.read_bytes().replace(b"e", b"f", 1))

    with pytest.raises(ImageError, match=f"the image {entry} is refused"):
        laptop.fetch(server[0], PUBLIC)
    assert laptop.whole() == []


@pytest.mark.parametrize("name", [KERNEL, ROOTFS, "sbom.cdx.json"])
def test_a_tampered_part_is_refused_and_removed(
    folder: Path, server: Served, laptop: Laptop, entry: str, name: str
) -> None:
    path = folder / entry / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))

    with pytest.raises(ImageError, match=f"{name} is not what the catalogue announces"):
        laptop.fetch(server[0], PUBLIC)
    assert laptop.whole() == []
    assert list(laptop.images.rglob(name)) == []


@pytest.mark.parametrize("tells_length", [True, False])
@pytest.mark.parametrize("size_bytes", [SIZES[ROOTFS] + 1, SIZES[ROOTFS] + (5 << 20)])
def test_not_a_byte_more_is_taken_than_announced(
    server: Served, laptop: Laptop, entry: str, *, tells_length: bool, size_bytes: int
) -> None:
    url, wrong = server
    wrong.tells_length = tells_length
    wrong.bodies[f"{entry}/{ROOTFS}"] = bytes(size_bytes)

    with pytest.raises(ImageError, match=r"announces"):
        laptop.fetch(url, PUBLIC)
    assert list(laptop.images.rglob(ROOTFS)) == []


@pytest.mark.parametrize("size_bytes", [1, 400_000])
def test_a_truncated_part_is_named(
    server: Served, laptop: Laptop, entry: str, size_bytes: int
) -> None:
    url, wrong = server
    wrong.bodies[f"{entry}/{ROOTFS}"] = bytes(size_bytes)

    with pytest.raises(
        ImageError, match=f"has {size_bytes} bytes, the catalogue announces {SIZES[ROOTFS]}"
    ):
        laptop.fetch(url, PUBLIC)
    assert laptop.whole() == []


def test_a_huge_catalogue_or_manifest_is_not_read_to_its_end(
    server: Served, laptop: Laptop, entry: str
) -> None:
    url, wrong = server
    wrong.bodies[f"{entry}/{MANIFEST}"] = bytes(5 << 20)
    with pytest.raises(ImageError, match="it is larger than 4194304 bytes"):
        laptop.fetch(url, PUBLIC)

    wrong.bodies[CATALOGUE] = bytes(5 << 20)
    with pytest.raises(ImageError, match="it is larger than 4194304 bytes"):
        laptop.fetch(url, PUBLIC)


def test_a_signed_catalogue_of_garbage_is_refused(
    folder: Path, server: Served, laptop: Laptop
) -> None:
    for garbage in (b"", b"[[[[", b"[" * 100_000, b'{"schema": "other/1"}', b"\xff\xfe"):
        (folder / CATALOGUE).write_bytes(garbage)
        signature = signing.sign(garbage, KEY, trusted_comment="")
        (folder / f"{CATALOGUE}.minisig").write_text(signature.text)
        with pytest.raises(ImageError, match="is refused: it cannot be read"):
            laptop.fetch(server[0], PUBLIC)
