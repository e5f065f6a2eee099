"""A disk that is full and a folder that is not ours: one clear line, nothing half-made."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from image_catalogues import KEY, Laptop, made_image, published
from mptcp_appliance import rollback, store
from mptcp_appliance.errors import ImageError

NOBODY = 65534


@pytest.fixture
def url(tmp_path: Path) -> str:
    published(tmp_path / "published", made_image(tmp_path / "image"))
    return str(tmp_path / "published")


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """Mount a file system in memory."""
    place.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "mptcp-check-test", str(place)], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_too_little_room_is_said_before_anything_is_fetched(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = Laptop(home=tmp_path / "home")
    usage = shutil.disk_usage(tmp_path)._replace(free=7_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    with pytest.raises(ImageError, match=r"needs 34 MB in .*, 7 MB are free"):
        laptop.fetch(url, KEY.public)
    assert laptop.whole() == []


@pytest.mark.lab
def test_a_disk_that_fills_up_on_the_way_is_left_as_it_was(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = Laptop(home=tmp_path / "home")
    with small_disk(laptop.images, "600k"):
        # the free space was there when it was asked for
        usage = shutil.disk_usage(tmp_path)._replace(free=1 << 40)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: usage)
            with pytest.raises(ImageError, match=r"the disk is full: .*was removed") as caught:
                laptop.fetch(url, KEY.public)
        assert "MPTCP_CHECK_HOME" in caught.value.hint
        assert [p.name for p in (laptop.images / "fetched").iterdir()] == [".lock"]
    assert rollback.pins(laptop.pins)


@contextmanager
def somebody_else() -> Iterator[None]:
    """Have the rights of nobody in particular."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_cache_that_is_somebody_elses_is_named(url: str, tmp_path: Path) -> None:
    laptop = Laptop(home=tmp_path / "home")
    image = laptop.fetch(url, KEY.public)
    (laptop.images / "fetched").chmod(0o555)
    shutil.rmtree(image.directory)
    try:
        with somebody_else(), pytest.raises(ImageError, match=r"ermission denied") as caught:
            laptop.fetch(url)
    finally:
        (laptop.images / "fetched").chmod(0o755)
    assert caught.value.hint
    assert laptop.whole() == []


def test_a_file_in_the_place_of_the_cache_is_named(url: str, tmp_path: Path) -> None:
    laptop = Laptop(home=tmp_path / "home")
    laptop.home.mkdir()
    laptop.images.write_text("")

    with pytest.raises(ImageError, match=r"the cache folder .* cannot be used"):
        laptop.fetch(url, KEY.public)
    assert laptop.images.read_text() == ""


def test_a_published_file_that_cannot_be_read_is_named(url: str, tmp_path: Path) -> None:
    laptop = Laptop(home=tmp_path / "home")
    kernel = next(Path(url).glob("*/kernel"))
    kernel.unlink()
    kernel.mkdir()

    with pytest.raises(ImageError, match=r"kernel cannot be fetched: is a directory"):
        laptop.fetch(url, KEY.public)
    assert list(store.fetched_folders(laptop.images)) == []
