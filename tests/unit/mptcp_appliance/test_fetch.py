"""Images from catalogues on a real web server, one that misbehaves included."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_catalogues import (
    DAY_S,
    KEY,
    NOW_S,
    OTHER_KEY,
    SIZES,
    Laptop,
    Misbehaviour,
    made_image,
    published,
    serving,
)
from mptcp_appliance import catalogue, image, manifest, rollback, signing, store
from mptcp_appliance.catalogue import CATALOGUE
from mptcp_appliance.errors import ImageError
from mptcp_appliance.fetch_source import address
from mptcp_appliance.manifest import KERNEL, MANIFEST, ROOTFS

PUBLIC = KEY.public


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "published"
    published(found, made_image(tmp_path / "image"))
    return found


@pytest.fixture
def entry(folder: Path) -> str:
    return catalogue.parse((folder / CATALOGUE).read_bytes()).images[0].folder


@pytest.fixture
def server(folder: Path) -> Iterator[tuple[str, Misbehaviour]]:
    with serving(folder) as found:
        yield found


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(home=tmp_path / "home")


Server = tuple[str, Misbehaviour]


def test_an_image_is_fetched_whole_and_found_verified(
    server: Server, laptop: Laptop, tmp_path: Path
) -> None:
    url, _ = server

    found = laptop.fetch(url, PUBLIC)

    assert laptop.whole() == [found.directory.name]
    for name in SIZES:
        assert (found.directory / name).read_bytes() == (tmp_path / "image" / name).read_bytes()
    assert found.origin is not None
    assert found.origin.catalogue == url
    store.check(found, pins=laptop.pins)
    assert laptop.waited_s == []


def test_progress_counts_up_to_everything(server: Server, laptop: Laptop) -> None:
    laptop.fetch(server[0], PUBLIC)

    assert laptop.said[0].startswith("kernel: 0.1 of 0.3 MB (")
    assert "(100 % of 1 MB)" in laptop.said[-1]


def test_what_is_here_already_is_not_fetched_again(server: Server, laptop: Laptop) -> None:
    url, wrong = server
    first = laptop.fetch(url, PUBLIC)
    wrong.requests.clear()

    assert laptop.fetch(url) == first
    assert {path.rsplit("/")[-1].split(".")[0] for path, _ in wrong.requests} == {
        "catalogue",
        "manifest",
    }


def test_a_folder_and_a_file_url_serve_as_well(folder: Path, tmp_path: Path) -> None:
    for number, given in enumerate((str(folder), folder.as_uri(), f"{folder}/{CATALOGUE}")):
        laptop = Laptop(home=tmp_path / f"home {number}")
        found = laptop.fetch(given, PUBLIC)
        assert found.origin is not None
        assert found.origin.catalogue == folder.as_uri()
        store.check(found, pins=laptop.pins)


def test_a_cut_connection_is_taken_up_where_it_was_cut(
    server: Server, laptop: Laptop, entry: str
) -> None:
    url, wrong = server
    path = f"{entry}/{ROOTFS}"
    wrong.cut_after_bytes[path] = [400_000, 300_000]

    found = laptop.fetch(url, PUBLIC)

    store.check(found, pins=laptop.pins)
    first, second, third = wrong.ranges(path)
    assert first == ""
    assert (second, third) == ("bytes=400000-", "bytes=700000-")
    etag = [headers.get("if-range") for asked, headers in wrong.requests if asked == path][1]
    assert etag is not None
    assert etag.startswith('"')
    assert any("the connection was cut, asking again" in line for line in laptop.said)


def test_an_interrupted_fetch_goes_on_in_the_next_call(
    server: Server, laptop: Laptop, entry: str
) -> None:
    url, wrong = server
    path = f"{entry}/{ROOTFS}"
    wrong.cut_after_bytes[path] = [500_000]

    with pytest.raises(KeyboardInterrupt):
        Laptop(home=laptop.home, waited_s=Interrupting()).fetch(url, PUBLIC)
    assert laptop.whole() == []
    assert list(store.fetched_folders(laptop.images)) == []

    store.check(laptop.fetch(url), pins=laptop.pins)
    assert wrong.ranges(path) == ["", "bytes=500000-"]
    assert wrong.ranges(f"{entry}/{KERNEL}") == [""]


class Interrupting(list[float]):
    """A wait in which the user loses patience."""

    def append(self, _: float) -> None:
        raise KeyboardInterrupt


def test_a_server_without_ranges_gives_the_whole_again(
    server: Server, laptop: Laptop, entry: str
) -> None:
    url, wrong = server
    wrong.knows_ranges = False
    wrong.cut_after_bytes[f"{entry}/{ROOTFS}"] = [400_000]

    store.check(laptop.fetch(url, PUBLIC), pins=laptop.pins)


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_server_that_tells_no_length_serves_too(
    server: Server, laptop: Laptop, entry: str, *, knows_ranges: bool
) -> None:
    url, wrong = server
    wrong.tells_length = False
    wrong.knows_ranges = knows_ranges
    wrong.cut_after_bytes[f"{entry}/{ROOTFS}"] = [400_000]

    store.check(laptop.fetch(url, PUBLIC), pins=laptop.pins)


def test_pieces_of_two_states_of_a_file_are_fetched_once_more(
    server: Server, laptop: Laptop, entry: str
) -> None:
    url, wrong = server
    path = f"{entry}/{ROOTFS}"
    # the tag stays although the content changes: only the digest tells
    wrong.etag = '"always the same"'
    wrong.bodies[path] = b"x" * SIZES[ROOTFS]
    wrong.cut_after_bytes[path] = [400_000]

    class Healing(list[float]):
        def append(self, _: float) -> None:
            wrong.bodies.clear()

    found = Laptop(home=laptop.home, waited_s=Healing()).fetch(url, PUBLIC)

    store.check(found, pins=laptop.pins)
    assert wrong.ranges(path) == ["", "bytes=400000-", ""]


def test_a_busy_server_is_asked_again_and_a_dead_one_not_for_ever(
    server: Server, laptop: Laptop, entry: str
) -> None:
    url, wrong = server
    wrong.statuses = {CATALOGUE: [503, 500], f"{entry}/{KERNEL}": [503, 502]}
    laptop.fetch(url, PUBLIC)
    assert laptop.waited_s == [0.5, 1.0, 1.0, 2.0]

    shutil.rmtree(laptop.images)
    wrong.statuses = {f"{entry}/{KERNEL}": [503] * 99}
    with pytest.raises(ImageError, match=r"kernel did not come: the server says 503 .*6 attempts"):
        laptop.fetch(url)
    assert laptop.whole() == []


def test_nobody_there_is_one_clear_line(laptop: Laptop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with serving(tmp_path / "empty") as (url, _):
        with pytest.raises(ImageError, match=r"there is no catalogue at http") as caught:
            laptop.fetch(url, PUBLIC)
        assert "Correct the address" in caught.value.hint
    with pytest.raises(
        ImageError, match=r"cannot be fetched: .*cannot be reached \(connection refused\)$"
    ):
        laptop.fetch(url, PUBLIC)
    with pytest.raises(ImageError, match="there is no catalogue at file://"):
        laptop.fetch(str(tmp_path / "nowhere"), PUBLIC)
    assert not laptop.home.exists()


def test_a_catalogue_is_never_trusted_without_its_key(server: Server, laptop: Laptop) -> None:
    with pytest.raises(ImageError, match="so its key must be given"):
        laptop.fetch(server[0])

    assert not laptop.home.exists()


def test_the_wrong_key_is_refused_and_not_remembered(server: Server, laptop: Laptop) -> None:
    with pytest.raises(ImageError, match=f"not with the trusted key {OTHER_KEY.public.name}"):
        laptop.fetch(server[0], OTHER_KEY.public)

    assert rollback.pins(laptop.pins) == {}


def test_another_key_than_the_known_one_needs_a_word(server: Server, laptop: Laptop) -> None:
    laptop.fetch(server[0], PUBLIC)

    with pytest.raises(ImageError, match="trusted here with the key") as caught:
        laptop.fetch(server[0], OTHER_KEY.public)
    assert "--replace-key" in caught.value.hint


def test_a_replaced_key_forgets_what_was_seen(
    folder: Path, server: Server, laptop: Laptop, tmp_path: Path
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
    folder: Path, server: Server, laptop: Laptop, tmp_path: Path
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
    folder: Path, server: Server, laptop: Laptop, tmp_path: Path
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
    folder: Path, server: Server, laptop: Laptop
) -> None:
    url, wrong = server
    laptop.fetch(url, PUBLIC)
    published(folder, key=OTHER_KEY, old_key=KEY)
    wrong.requests.clear()

    store.check(laptop.fetch(url), pins=laptop.pins)
    assert not any(path.endswith((KERNEL, ROOTFS)) for path, _ in wrong.requests)


def test_a_hand_over_that_the_old_key_did_not_sign_is_refused(
    folder: Path, server: Server, laptop: Laptop
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
    folder: Path, server: Server, laptop: Laptop, tmp_path: Path
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
    folder: Path, server: Server, laptop: Laptop, tmp_path: Path
) -> None:
    laptop.fetch(server[0], PUBLIC)
    shutil.rmtree(folder)
    published(folder, made_image(tmp_path / "second", "second"))

    with pytest.raises(ImageError, match="version 1 that was seen before, with other content"):
        laptop.fetch(server[0])


def test_an_expired_catalogue_is_refused_and_its_images_still_boot(
    server: Server, laptop: Laptop
) -> None:
    url, _ = server
    found = laptop.fetch(url, PUBLIC)

    with pytest.raises(ImageError, match="expired at 2027-04-15T08:00:00Z") as caught:
        laptop.fetch(url, now_s=NOW_S + 90 * DAY_S)
    assert "Correct the clock" in caught.value.hint
    store.check(found, pins=laptop.pins)


@pytest.mark.parametrize("name", [CATALOGUE, f"{CATALOGUE}.minisig"])
def test_a_tampered_catalogue_is_refused(
    folder: Path, server: Server, laptop: Laptop, name: str
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
    folder: Path, server: Server, laptop: Laptop, entry: str, name: str
) -> None:
    path = folder / entry / name
    path.write_bytes(path.read_bytes().replace(b"e", b"f", 1))

    with pytest.raises(ImageError, match=f"the image {entry} is refused"):
        laptop.fetch(server[0], PUBLIC)
    assert laptop.whole() == []


@pytest.mark.parametrize("name", [KERNEL, ROOTFS, "sbom.cdx.json"])
def test_a_tampered_part_is_refused_and_removed(
    folder: Path, server: Server, laptop: Laptop, entry: str, name: str
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
    server: Server, laptop: Laptop, entry: str, *, tells_length: bool, size_bytes: int
) -> None:
    url, wrong = server
    wrong.tells_length = tells_length
    wrong.bodies[f"{entry}/{ROOTFS}"] = bytes(size_bytes)

    with pytest.raises(ImageError, match=r"announces"):
        laptop.fetch(url, PUBLIC)
    assert list(laptop.images.rglob(ROOTFS)) == []


@pytest.mark.parametrize("size_bytes", [1, 400_000])
def test_a_truncated_part_is_named(
    server: Server, laptop: Laptop, entry: str, size_bytes: int
) -> None:
    url, wrong = server
    wrong.bodies[f"{entry}/{ROOTFS}"] = bytes(size_bytes)

    with pytest.raises(
        ImageError, match=f"has {size_bytes} bytes, the catalogue announces {SIZES[ROOTFS]}"
    ):
        laptop.fetch(url, PUBLIC)
    assert laptop.whole() == []


def test_a_huge_catalogue_or_manifest_is_not_read_to_its_end(
    server: Server, laptop: Laptop, entry: str
) -> None:
    url, wrong = server
    wrong.bodies[f"{entry}/{MANIFEST}"] = bytes(5 << 20)
    with pytest.raises(ImageError, match="it is larger than 4194304 bytes"):
        laptop.fetch(url, PUBLIC)

    wrong.bodies[CATALOGUE] = bytes(5 << 20)
    with pytest.raises(ImageError, match="it is larger than 4194304 bytes"):
        laptop.fetch(url, PUBLIC)


def test_a_signed_catalogue_of_garbage_is_refused(
    folder: Path, server: Server, laptop: Laptop
) -> None:
    for garbage in (b"", b"[[[[", b"[" * 100_000, b'{"schema": "other/1"}', b"\xff\xfe"):
        (folder / CATALOGUE).write_bytes(garbage)
        signature = signing.sign(garbage, KEY, trusted_comment="")
        (folder / f"{CATALOGUE}.minisig").write_text(signature.text)
        with pytest.raises(ImageError, match="is refused: it cannot be read"):
            laptop.fetch(server[0], PUBLIC)


def test_redirects_are_followed_but_not_in_a_circle(
    folder: Path, server: Server, laptop: Laptop
) -> None:
    url, wrong = server
    with serving(folder) as (elsewhere, _):
        wrong.redirect_to = elsewhere
        laptop.fetch(url, PUBLIC)
    wrong.redirect_to = url
    with pytest.raises(ImageError, match="the server sends us in a circle"):
        laptop.fetch(url)


def test_an_image_that_is_not_offered_names_what_is(server: Server, laptop: Laptop) -> None:
    with pytest.raises(ImageError, match="has no image other for amd64") as caught:
        laptop.fetch(server[0], PUBLIC, name="other")
    assert "appliance amd64" in caught.value.hint
    with pytest.raises(ImageError, match="does not come as vmdk") as caught:
        laptop.fetch(server[0], formats=("vmdk",))
    assert "without --format" in caught.value.hint


def test_an_image_for_another_version_of_this_program_is_not_taken(
    server: Server, laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "INTERFACE", manifest.INTERFACE + 1)
    with pytest.raises(ImageError, match="that this version of mptcp-check can boot") as caught:
        laptop.fetch(server[0], PUBLIC)
    assert "the version of mptcp-check" in caught.value.hint


def test_a_disk_format_is_fetched_when_it_is_asked_for_and_added_later(
    folder: Path, server: Server, laptop: Laptop, tmp_path: Path
) -> None:
    url, wrong = server
    second = made_image(tmp_path / "second", "second")
    (second / "disk.qcow2").write_bytes(b"disk" * 1000)
    image.add_parts(second, {"disk.qcow2": ("disk", "qcow2")})
    published(folder, second)

    without = laptop.fetch(url, PUBLIC)
    with pytest.raises(ImageError, match="not here as qcow2") as caught:
        without.part("qcow2")
    assert "--format qcow2" in caught.value.hint
    wrong.requests.clear()
    having = laptop.fetch(url, formats=("qcow2",))

    assert having.directory == without.directory
    assert having.part("qcow2").read_bytes() == b"disk" * 1000
    assert not any(path.endswith((KERNEL, ROOTFS)) for path, _ in wrong.requests)
    assert having.digest == without.digest
    store.check(having, pins=laptop.pins)


def test_a_damaged_image_is_healed_by_fetching_again(server: Server, laptop: Laptop) -> None:
    found = laptop.fetch(server[0], PUBLIC)
    data = found.kernel.read_bytes()
    found.kernel.write_bytes(data[:-1] + b"!" if data[-1:] != b"!" else data[:-1] + b"?")
    with pytest.raises(ImageError, match="kernel was changed") as caught:
        store.check(store.read(found.directory), pins=laptop.pins)
    assert "image fetch" in caught.value.hint

    store.check(laptop.fetch(server[0]), pins=laptop.pins)


def test_the_newest_image_is_fetched_and_remains_of_others_go(
    folder: Path, server: Server, laptop: Laptop, tmp_path: Path
) -> None:
    first = laptop.fetch(server[0], PUBLIC)
    published(folder, made_image(tmp_path / "second", "second"))
    (laptop.images / "fetched" / ".partial-something").mkdir()

    second = laptop.fetch(server[0])

    assert second.digest != first.digest
    assert {p.name for p in (laptop.images / "fetched").iterdir()} == {
        ".lock",
        second.directory.name,
    }


def test_what_is_remembered_is_never_lost_silently(server: Server, laptop: Laptop) -> None:
    laptop.fetch(server[0], PUBLIC)
    laptop.pins.write_text("{")

    with pytest.raises(ImageError, match="remembers the trusted keys, cannot be read"):
        laptop.fetch(server[0])
    assert laptop.pins.read_text() == "{"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("https://Lab.Example/images/", "https://lab.example/images"),
        ("HTTP://lab.example:8080", "http://lab.example:8080"),
        ("https://lab.example/i/catalogue.json", "https://lab.example/i"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("file:///srv/images/", "file:///srv/images"),
        ("/srv/some images", "file:///srv/some%20images"),
    ],
)
def test_one_catalogue_has_one_address(given: str, found: str) -> None:
    assert address(given) == found


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("ftp://lab.example/x", "is not the address of a catalogue"),
        ("https:///x", "is not the address of a catalogue"),
        ("file://host/x", "is not the address of a catalogue"),
        ("https://u:geheim@lab.example/", "holds no user and password"),
        ("https://lab.example/?a=b", "is not the address of a folder"),
        ("https://lab.example:99999/", "is not a URL"),
    ],
)
def test_what_is_no_address_of_a_catalogue_is_refused(given: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        address(given)
    assert "geheim" not in caught.value.message


def test_what_the_catalogue_says_is_what_the_document_holds(folder: Path) -> None:
    table = json.loads((folder / CATALOGUE).read_text())

    assert (table["schema"], table["version"]) == ("mptcp-check.catalogue/1", 1)
    assert table["expires"] == "2027-04-15T08:00:00Z"
