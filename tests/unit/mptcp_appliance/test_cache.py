import dataclasses
import errno
import fcntl
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appliance_declaration import SMALL
from mptcp_appliance import build, cache, durable, manifest, superseded
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import Image, file_digest
from mptcp_appliance.kernel_build import FOLDER
from mptcp_appliance.manifest import MANIFEST, PARTS, Part
from mptcp_appliance.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable


class Builder:
    """Stands in for `build`: writes an image of a few bytes, and can fail in the middle."""

    def __init__(self) -> None:
        self.calls: list[Path] = []
        self.error: BaseException | None = None
        self.gate: Callable[[], None] = lambda: None

    def __call__(self, _declaration: object, *, output: Path, work: Path, **_: object) -> None:
        self.calls.append(output)
        (work / "packages.tar").write_bytes(b"much")
        for name in PARTS:
            (output / name).write_bytes(name.encode())
            if self.error is not None:
                raise self.error
        self.gate()
        parts = {n: Part(sha256=file_digest(output / n), size_bytes=len(n)) for n in PARTS}
        (output / MANIFEST).write_text(manifest.write(parts, command_line="quiet", facts={}))


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> Builder:
    builder = Builder()
    monkeypatch.setattr(build, "build", builder)
    monkeypatch.setattr(durable, "_LOOK_AGAIN_S", 0.01)
    return builder


WANTED = dataclasses.replace(SMALL, packages=())


def ensure(folder: Path, said: list[str] | None = None, packages: tuple[str, ...] = ()) -> Image:
    return cache.ensure(
        dataclasses.replace(SMALL, packages=packages),
        cache_dir=folder,
        progress=(said if said is not None else []).append,
        architecture="amd64",
    )


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_an_image_is_built_once_and_found_again(builder: Builder, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    assert cache.find(WANTED, cache_dir=folder, architecture="amd64") is None

    first, second = ensure(folder), ensure(folder)

    assert first == second == cache.find(WANTED, cache_dir=folder, architecture="amd64")
    assert len(builder.calls) == 1
    assert left(folder) == [first.directory.name]
    assert first.kernel.read_bytes() == b"kernel"
    assert first.command_line == "quiet"
    verify(first)


def test_another_declaration_is_another_image(builder: Builder, tmp_path: Path) -> None:
    first, second = ensure(tmp_path), ensure(tmp_path, packages=("curl",))

    assert first.directory != second.directory
    assert len(builder.calls) == 2
    assert first.digest == second.digest


@pytest.mark.parametrize("error", [ImageError("no network"), KeyboardInterrupt()])
def test_an_interrupted_build_leaves_nothing(
    builder: Builder, tmp_path: Path, error: BaseException
) -> None:
    builder.error = error

    with pytest.raises(type(error)):
        ensure(tmp_path)

    assert left(tmp_path) == []
    builder.error = None
    verify(ensure(tmp_path))


def test_a_full_disk_is_one_clear_error(builder: Builder, tmp_path: Path) -> None:
    builder.error = OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ImageError, match="No space left on device"):
        ensure(tmp_path)
    assert left(tmp_path) == []


@pytest.mark.usefixtures("builder")
def test_a_disk_without_room_is_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=123_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    with pytest.raises(ImageError, match=r"needs 1000 MB in .*, 123 MB are free"):
        ensure(tmp_path)


@pytest.mark.usefixtures("builder")
def test_the_remains_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    remains = tmp_path / ".partial-small-amd64-0123456789abcdef"
    (remains / "work").mkdir(parents=True)
    (remains / "work" / "packages.tar").write_bytes(b"half")

    image = ensure(tmp_path)

    assert left(tmp_path) == [image.directory.name]


def test_remains_with_something_mounted_are_not_touched(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remains = tmp_path / ".partial-x"
    (remains / "dev").mkdir(parents=True)
    monkeypatch.setattr(cache, "_mounts_below", lambda path: [f"{path}/dev"])

    with pytest.raises(ImageError, match=r"left .*/dev mounted") as caught:
        ensure(tmp_path)

    assert caught.value.hint == f"run: umount {remains}/dev"
    assert (remains / "dev").is_dir()
    assert builder.calls == []


def test_mounts_are_found_where_they_are() -> None:
    assert "/proc" in cache._mounts_below(Path("/"))
    assert cache._mounts_below(Path("/nowhere")) == []


@pytest.mark.usefixtures("builder")
def test_a_file_in_the_place_of_the_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")

    with pytest.raises(ImageError, match=r"cache folder .*/cache cannot be used"):
        ensure(tmp_path / "cache")


def test_two_at_once_build_one_image(builder: Builder, tmp_path: Path) -> None:
    building, go_on = threading.Event(), threading.Event()

    def gate() -> None:
        building.set()
        assert go_on.wait(120)

    builder.gate = gate
    found: list[Image] = []
    said: list[str] = []
    first = threading.Thread(target=lambda: found.append(ensure(tmp_path)))
    first.start()
    assert building.wait(120)
    second = threading.Thread(target=lambda: found.append(ensure(tmp_path, said)))
    second.start()
    while not said:
        second.join(0.01)
    go_on.set()
    for thread in (first, second):
        thread.join(120)

    assert said[0] == f"waiting for another build in {tmp_path}"
    assert len(builder.calls) == 1
    assert found[0] == found[1]


def test_the_lock_is_held_while_building_and_free_after(builder: Builder, tmp_path: Path) -> None:
    def locked() -> bool:
        with (tmp_path / ".lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    seen: list[bool] = []
    builder.gate = lambda: seen.append(locked())

    ensure(tmp_path)

    assert seen == [True]
    assert not locked()


@pytest.mark.usefixtures("builder")
@pytest.mark.parametrize("name", PARTS)
def test_a_changed_file_is_named_with_both_digests(tmp_path: Path, name: str) -> None:
    image = ensure(tmp_path)
    path = image.directory / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    with pytest.raises(ImageError, match=f"{name} was changed") as caught:
        verify(image)

    for digest in (file_digest(path), image.parts[name].sha256):
        assert digest[:12] in caught.value.message
    assert str(image.directory) in caught.value.hint


@pytest.mark.usefixtures("builder")
def test_of_several_changed_files_the_first_of_the_manifest_is_named(tmp_path: Path) -> None:
    image = ensure(tmp_path)
    for name in image.parts:
        path = image.directory / name
        path.write_bytes(path.read_bytes()[:-1] + b"?")

    with pytest.raises(ImageError, match=f"{next(iter(image.parts))} was changed"):
        verify(image)


@pytest.mark.usefixtures("builder")
def test_a_cut_or_missing_file_is_noticed_without_verifying(tmp_path: Path) -> None:
    image = ensure(tmp_path)
    image.rootfs.write_bytes(b"cut")
    with pytest.raises(ImageError, match="has 3 bytes, the manifest says 15 bytes"):
        ensure(tmp_path)

    image.rootfs.unlink()
    with pytest.raises(ImageError, match="is missing"):
        ensure(tmp_path)
    with pytest.raises(ImageError, match="cannot be read"):
        verify(image)


@pytest.mark.usefixtures("builder")
def test_a_broken_manifest_is_named(tmp_path: Path) -> None:
    image = ensure(tmp_path)
    image.manifest.write_text("{")

    with pytest.raises(ImageError, match=r"manifest .*manifest\.json cannot be read") as caught:
        cache.find(WANTED, cache_dir=tmp_path, architecture="amd64")
    assert "remove the folder" in caught.value.hint


def test_modules_said_to_decide_nothing_about_an_image_exist() -> None:
    modules = {path.stem for path in Path(cache.__file__).parent.glob("*.py")}

    assert modules >= cache._NOT_BUILDERS
    assert {f"{stem}.py" for stem in modules - cache._NOT_BUILDERS} == set(cache._builder())


def aged(folder: Path, seconds: int) -> Path:
    """Return a folder that was made so many seconds after 1970."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel").write_bytes(b"12345")
    os.utime(folder, (seconds, seconds))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def test_a_build_leaves_two_of_those_that_it_replaces(tmp_path: Path, builder: Builder) -> None:
    old = [aged(tmp_path / f"small-amd64-{n:016x}", n) for n in range(5)]
    other = aged(tmp_path / f"cloud-amd64-{1:016x}", 1)
    strange = aged(tmp_path / "small-amd64-of-mine", 1)
    kernels = [aged(tmp_path / FOLDER / f"amd64-{n:016x}", n) for n in range(4)]
    fetched = aged(tmp_path / "fetched" / f"small-amd64-{1:016x}", 1)

    built = cache.ensure(
        dataclasses.replace(WANTED, name="small"),
        cache_dir=tmp_path,
        progress=lambda _: None,
        architecture="amd64",
    )

    assert builder.calls
    left = {built.directory.name, old[3].name, old[4].name, other.name, strange.name}
    assert names(tmp_path) - {FOLDER, "fetched"} == left
    assert names(tmp_path / FOLDER) == {kernels[2].name, kernels[3].name}
    assert fetched.is_dir()


def test_pruning_leaves_what_is_declared_and_what_is_not_ours(
    tmp_path: Path, builder: Builder
) -> None:
    built = ensure(tmp_path)
    old = aged(tmp_path / f"{SMALL.name}-amd64-{7:016x}", 2**40)  # newer than what is booted
    kernel = aged(tmp_path / FOLDER / f"amd64-{7:016x}", 7)
    half = aged(tmp_path / f"{superseded.LEAVING}x", 7)
    fetched = aged(tmp_path / "fetched" / f"{SMALL.name}-amd64-{7:016x}", 7)
    declared = dataclasses.replace(SMALL, packages=())

    def pruned(*, only_say: bool) -> dict[Path, int]:
        return cache.prune(
            [declared], cache_dir=tmp_path, progress=lambda _: None, only_say=only_say
        )

    assert builder.calls
    assert pruned(only_say=True) == {old: 5, kernel: 5}
    assert old.is_dir()
    assert pruned(only_say=False) == {old: 5, kernel: 5}
    assert [p.exists() for p in (old, kernel, half)] == [False] * 3
    assert [p.exists() for p in (built.directory, fetched)] == [True] * 2
    assert pruned(only_say=False) == {}
    assert cache.prune([declared], cache_dir=tmp_path / "none", progress=print) == {}


def test_what_cannot_be_removed_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = aged(tmp_path / f"x-amd64-{7:016x}", 7)

    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(superseded, "remove", refused)
    with pytest.raises(ImageError, match=f"{old} cannot be removed: permission denied"):
        cache.prune([], cache_dir=tmp_path, progress=print)
