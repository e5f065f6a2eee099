from pathlib import Path

import pytest

from mptcp_check import inspecting, plotting
from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.flows.connections import Connection, connections
from mptcp_check.errors import UsageError
from segments import Talk
from traced import two_paths

GOLDEN = Path(__file__).parents[2] / "golden" / "captures" / "kernel_v1.pcapng"


def kernel() -> tuple[Capture, tuple[Connection, ...]]:
    capture = read(GOLDEN.read_bytes())
    return capture, connections(capture.packets)


def test_every_connection_with_data_has_a_page_and_its_drawings(tmp_path: Path) -> None:
    files = plotting.write(*kernel(), tmp_path / "plots", source="kernel_v1.pcapng")
    made = {path.relative_to(tmp_path / "plots") for path in files}
    index = files[0].read_text()

    assert files[0] == tmp_path / "plots" / "index.html"
    assert made == {p.relative_to(tmp_path / "plots") for p in tmp_path.rglob("*") if p.is_file()}
    assert Path("connection-0/index.html") in made
    assert Path("connection-0/s2c-sequence.svg") in made
    assert 'href="connection-0/index.html"' in index
    assert "are plain TCP or fell back to it" in index


def test_the_same_capture_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (plotting.write(*kernel(), tmp_path / name) for name in ("one", "two"))

    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_beyond_the_limit_the_largest_are_drawn_and_the_index_says_so(tmp_path: Path) -> None:
    files = plotting.write(*kernel(), tmp_path / "plots", most=1)

    assert [p.name for p in (tmp_path / "plots").iterdir() if p.is_dir()] == ["connection-0"]
    assert "with less data are not drawn" in files[0].read_text()


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    assert plotting.write(*kernel(), tmp_path)[0] == tmp_path / "index.html"


def test_a_capture_without_multipath_tcp_has_an_index_that_says_so(tmp_path: Path) -> None:
    traced = two_paths()
    traced.talk = Talk()
    traced.times_ms = []
    capture = traced.capture()
    (index,) = plotting.write(capture, connections(capture.packets), tmp_path / "plots")

    assert "0 Multipath TCP connections with data are drawn" in index.read_text()


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "plots" / "thesis.tex"
    own.parent.mkdir()
    own.write_text("years of work")

    with pytest.raises(UsageError, match="is not empty"):
        plotting.write(*kernel(), own.parent)
    with pytest.raises(UsageError):
        plotting.write(*kernel(), own)
    assert list(tmp_path.rglob("*")) == [own.parent, own]


def test_nothing_is_left_of_plots_that_could_not_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object, **_named: object) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(plotting.page, "index_page", fails)

    with pytest.raises(UsageError, match="input/output error"):
        plotting.write(*kernel(), tmp_path / "plots")
    assert list(tmp_path.iterdir()) == []


def test_a_capture_in_blocks_gives_the_same_plots_as_one_in_memory(tmp_path: Path) -> None:
    files = plotting.write(*kernel(), tmp_path / "whole", source=str(GOLDEN))
    drawn: list[tuple[int, int]] = []
    said = plotting.plot(
        inspecting.inspect_file(GOLDEN),
        tmp_path / "blocks",
        progress=lambda done, total: drawn.append((done, total)),
    )
    made = sorted(path for path in (tmp_path / "blocks").rglob("*") if path.is_file())

    assert said == ""
    assert drawn == [(count, len(drawn)) for count in range(1, len(drawn) + 1)]
    names = [path.relative_to(tmp_path / "whole") for path in files]
    assert [path.relative_to(tmp_path / "blocks") for path in made] == sorted(names)
    for name in names:
        assert (tmp_path / "blocks" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_connections_beyond_the_limit_are_told_of(tmp_path: Path) -> None:
    said = plotting.plot(inspecting.inspect_file(GOLDEN), tmp_path / "plots", most=1)

    assert said == "the 1 connections with the most data are drawn, 2 are not"
    assert [p.name for p in (tmp_path / "plots").iterdir() if p.is_dir()] == ["connection-0"]
