"""Images from catalogues on a real web server, one that misbehaves included."""

import json
import shutil
from pathlib import Path

import pytest

from image_catalogues import (
    KEY,
    SIZES,
    Laptop,
    Served,
    made_image,
    published,
    serving,
)
from mptcp_appliance import image, manifest, store
from mptcp_appliance.catalogue import CATALOGUE
from mptcp_appliance.errors import ImageError
from mptcp_appliance.fetch_source import address
from mptcp_appliance.manifest import KERNEL, ROOTFS

PUBLIC = KEY.public


def test_an_image_is_fetched_whole_and_found_verified(
    server: Served, laptop: Laptop, tmp_path: Path
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


def test_progress_counts_up_to_everything(server: Served, laptop: Laptop) -> None:
    laptop.fetch(server[0], PUBLIC)

    assert laptop.said[0].startswith("kernel: 0.1 of 0.3 MB (")
    assert "(100 % of 1 MB)" in laptop.said[-1]


def test_what_is_here_already_is_not_fetched_again(server: Served, laptop: Laptop) -> None:
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
    server: Served, laptop: Laptop, entry: str
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
    server: Served, laptop: Laptop, entry: str
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
    server: Served, laptop: Laptop, entry: str
) -> None:
    url, wrong = server
    wrong.knows_ranges = False
    wrong.cut_after_bytes[f"{entry}/{ROOTFS}"] = [400_000]

    store.check(laptop.fetch(url, PUBLIC), pins=laptop.pins)


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_server_that_tells_no_length_serves_too(
    server: Served, laptop: Laptop, entry: str, *, knows_ranges: bool
) -> None:
    url, wrong = server
    wrong.tells_length = False
    wrong.knows_ranges = knows_ranges
    wrong.cut_after_bytes[f"{entry}/{ROOTFS}"] = [400_000]

    store.check(laptop.fetch(url, PUBLIC), pins=laptop.pins)


def test_pieces_of_two_states_of_a_file_are_fetched_once_more(
    server: Served, laptop: Laptop, entry: str
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
    server: Served, laptop: Laptop, entry: str
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
        assert "correct the address" in caught.value.hint
    with pytest.raises(
        ImageError, match=r"cannot be fetched: .*cannot be reached \(connection refused\)$"
    ):
        laptop.fetch(url, PUBLIC)
    with pytest.raises(ImageError, match="there is no catalogue at file://"):
        laptop.fetch(str(tmp_path / "nowhere"), PUBLIC)
    assert not laptop.home.exists()


def test_redirects_are_followed_but_not_in_a_circle(
    folder: Path, server: Served, laptop: Laptop
) -> None:
    url, wrong = server
    with serving(folder) as (elsewhere, _):
        wrong.redirect_to = elsewhere
        laptop.fetch(url, PUBLIC)
    wrong.redirect_to = url
    with pytest.raises(ImageError, match="the server sends us in a circle"):
        laptop.fetch(url)


def test_an_image_that_is_not_offered_names_what_is(server: Served, laptop: Laptop) -> None:
    with pytest.raises(ImageError, match="has no image other for amd64") as caught:
        laptop.fetch(server[0], PUBLIC, name="other")
    assert "appliance amd64" in caught.value.hint
    with pytest.raises(ImageError, match="does not come as vmdk") as caught:
        laptop.fetch(server[0], formats=("vmdk",))
    assert "without --format" in caught.value.hint


def test_an_image_for_another_version_of_this_program_is_not_taken(
    server: Served, laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "INTERFACE", manifest.INTERFACE + 1)
    with pytest.raises(ImageError, match="that this version of mptcp-check can boot") as caught:
        laptop.fetch(server[0], PUBLIC)
    assert "the version of mptcp-check" in caught.value.hint


def test_a_disk_format_is_fetched_when_it_is_asked_for_and_added_later(
    folder: Path, server: Served, laptop: Laptop, tmp_path: Path
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


def test_a_damaged_image_is_healed_by_fetching_again(server: Served, laptop: Laptop) -> None:
    found = laptop.fetch(server[0], PUBLIC)
    data = found.kernel.read_bytes()
    found.kernel.write_bytes(data[:-1] + b"!" if data[-1:] != b"!" else data[:-1] + b"?")
    with pytest.raises(ImageError, match="kernel was changed") as caught:
        store.check(store.read(found.directory), pins=laptop.pins)
    assert "image fetch" in caught.value.hint

    store.check(laptop.fetch(server[0]), pins=laptop.pins)


def test_the_newest_image_is_fetched_and_remains_of_others_go(
    folder: Path, server: Served, laptop: Laptop, tmp_path: Path
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


def test_what_is_remembered_is_never_lost_silently(server: Served, laptop: Laptop) -> None:
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
