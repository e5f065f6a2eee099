import contextlib
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check import run_directory
from mptcp_check.errors import UsageError
from mptcp_upload import manifest

TEN_BYTES = st.binary(min_size=10, max_size=10)
TIMES_NS = st.integers(0, 2**48 * 1_000_000 - 1)


def whole_run(directory: Path, run_id: str) -> Path:
    run = directory / run_id
    run.mkdir(parents=True)
    (run / "report.json").write_text("{}")
    manifest.write(run, manifest.build(run, about={"run_id": run_id}))
    return run


@given(TIMES_NS, TIMES_NS, TEN_BYTES, TEN_BYTES)
def test_names_sort_as_the_runs_began(one: int, other: int, a: bytes, b: bytes) -> None:
    names = [run_directory.new_id(wall_ns=t, random_bytes=r) for t, r in ((one, a), (other, b))]

    assert all(len(n) == 26 for n in names)
    if one // 10**6 != other // 10**6:
        assert (names[0] < names[1]) == (one < other)


def test_a_run_gets_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    final = tmp_path / "runs" / "one"
    with run_directory.being_made(final) as partial:
        (partial / "capture").write_text("packets")
        assert not final.exists()

    assert (final / "capture").read_text() == "packets"
    assert not partial.exists()


def test_a_run_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    synchronise = os.fsync

    def noted(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        synchronise(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with run_directory.being_made(tmp_path / "one") as partial:
        (partial / "captures").mkdir()
        (partial / "captures" / "client.pcapng").write_text("packets")
        (partial / manifest.NAME).write_text("{}")

    assert sorted(done[:-1]) == ["captures", "client.pcapng", manifest.NAME, "one.partial"]
    assert done[-1] == tmp_path.name


@pytest.mark.parametrize(
    ("code", "kept"), [(errno.ENOSPC, False), (errno.EIO, True), (errno.EINVAL, True)]
)
def test_a_disk_that_cannot_synchronise_costs_no_run_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, *, kept: bool
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with contextlib.suppress(OSError), run_directory.being_made(tmp_path / "one") as partial:
        (partial / "capture").write_text("packets")

    assert (tmp_path / "one" / "capture").exists() is kept
    assert not (tmp_path / "one.partial").exists()


def test_a_run_that_failed_leaves_nothing(tmp_path: Path) -> None:
    final = tmp_path / "one"
    with pytest.raises(RuntimeError), run_directory.being_made(final):
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run_directory.being_made(tmp_path / "one"):
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()

    with (
        pytest.raises(UsageError, match="one exists already"),
        run_directory.being_made(tmp_path / "one"),
    ):
        pass


def test_two_runs_into_one_folder_are_told_apart(tmp_path: Path) -> None:
    with run_directory.being_made(tmp_path / "one") as first:
        with (
            pytest.raises(UsageError, match="another run is writing to"),
            run_directory.being_made(tmp_path / "one"),
        ):
            pass
        assert first.exists(), "the loser must not remove the winner's folder"


def test_a_parent_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(UsageError, match="file cannot be made: File exists"),
        run_directory.being_made(tmp_path / "file" / "one"),
    ):
        pass


def test_the_list_holds_whole_runs_oldest_first(tmp_path: Path) -> None:
    whole_run(tmp_path, "b")
    whole_run(tmp_path, "a")
    (tmp_path / "c.partial").mkdir()
    (tmp_path / "no-manifest").mkdir()
    (tmp_path / "file").write_text("")

    assert [r.run_id for r in run_directory.stored(tmp_path)] == ["a", "b"]
    assert run_directory.stored(tmp_path / "missing") == []


def test_a_run_is_found_by_the_start_of_its_name_by_last_and_by_folder(tmp_path: Path) -> None:
    whole_run(tmp_path, "01aa")
    newest = whole_run(tmp_path, "01bb")

    assert run_directory.find("01A", tmp_path).run_id == "01aa"
    assert run_directory.find("last", tmp_path).run_id == "01bb"
    assert run_directory.find(str(newest), tmp_path / "elsewhere").run_id == "01bb"


@pytest.mark.parametrize(
    ("name", "message"), [("01", "means 2 runs"), ("zz", "no run 'zz'"), ("./x", "has no manifest")]
)
def test_a_name_that_means_none_or_several_is_refused(
    tmp_path: Path, name: str, message: str
) -> None:
    whole_run(tmp_path, "01aa")
    whole_run(tmp_path, "01bb")

    with pytest.raises(UsageError, match=message):
        run_directory.find(name, tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_damaged_report_is_named(tmp_path: Path, content: str) -> None:
    run = whole_run(tmp_path, "01aa")
    (run / "report.json").write_text(content)

    with pytest.raises(UsageError, match="report"):
        run_directory.find("01aa", tmp_path).document()
