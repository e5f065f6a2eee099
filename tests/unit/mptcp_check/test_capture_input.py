"""Captures as they come: too large, onto a full disk, cut short while they are read."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import capture_files as cf
from inspect_call import PROGRAM
from mptcp_check import capture_input, exporting, inspecting, plotting, splitting
from mptcp_check.analysis.capture.pcap_framing import FILE_HEADER_BYTES
from mptcp_check.analysis.tables.placing import BLOCK_BYTES
from mptcp_check.capture_expansion import ExpansionError
from mptcp_check.capture_input import HARMLESS_BYTES, LARGEST_BYTES, SHRUNK
from mptcp_check.errors import CaptureError, UsageError
from mptcp_check.inspecting import Inspected
from segments import Talk

GIB = 1 << 30
FRAME_BYTES = 1400
RECORD_BYTES = 16 + FRAME_BYTES


class Gibibyte(bytes):
    """Says that it is large; nobody looks what is in it."""

    __slots__ = ()

    def __len__(self) -> int:
        return GIB


def endless() -> Iterator[bytes]:
    while True:
        yield Gibibyte()


def large(path: Path, *, blocks: int = 3) -> Path:
    """Write a capture of a connection and many frames that are nothing, in some blocks."""
    talk = Talk()
    flow = talk.capable(talk.subflow())
    talk.data(flow, 0, b"hello")
    frames = [cf.ethernet(packet) for packet in talk.packets()]
    frames += [bytes(FRAME_BYTES)] * (blocks * BLOCK_BYTES // RECORD_BYTES)
    path.write_bytes(cf.pcap(frames))
    return path


def counted(chunks: Iterator[bytes], taken: int) -> tuple[int, str]:
    """Return how many bytes are passed on, and what ends it."""
    total = 0
    try:
        for chunk in capture_input._bounded(chunks, lambda: taken):
            total += len(chunk)
    except ExpansionError as e:
        return total, str(e)
    return total, ""


def test_of_what_never_ends_64_gib_are_taken() -> None:
    assert counted(endless(), LARGEST_BYTES) == (64 * GIB, "more than 64 GiB")


def test_any_ratio_is_harmless_up_to_64_mib() -> None:
    pieces = [bytes(1 << 20)] * 65
    total, reason = counted(iter(pieces), 1)

    assert total == HARMLESS_BYTES
    assert "as bombs do" in reason
    assert counted(iter(pieces), 1 << 20) == (65 << 20, "")


LIMITED = (
    "import os, resource, sys; limit = int(sys.argv[1]); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)); os.execv(sys.argv[2], sys.argv[2:])"
)


def limited(limit_bytes: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `inspect` where no file may become larger, as on a disk that is full."""
    program = [sys.executable, "-c", LIMITED, str(limit_bytes), str(PROGRAM)]
    return subprocess.run(
        [*program, "inspect", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_of_what_the_disk_does_not_hold_the_first_part_is_inspected(tmp_path: Path) -> None:
    whole = large(tmp_path / "a.pcap", blocks=1).read_bytes()
    packed = tmp_path / "a.pcap.gz"
    packed.write_bytes(gzip.compress(whole, 1))
    limit = len(whole) // 2
    done = limited(limit, packed, "--json")

    assert done.returncode == 0
    assert "no further copy: file too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert '"mp_capable_established": 1' in done.stdout


def test_a_disk_that_holds_nothing_is_one_line(tmp_path: Path) -> None:
    packed = tmp_path / "a.pcap.gz"
    packed.write_bytes(gzip.compress(large(tmp_path / "a.pcap", blocks=1).read_bytes(), 1))
    done = limited(100, packed)

    assert (done.returncode, done.stdout) == (2, "")
    assert "no further copy: file too large; nothing could be read" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--export", "--split"])
def test_results_that_do_not_fit_leave_nothing_behind(option: str, tmp_path: Path) -> None:
    capture = large(tmp_path / "a.pcap", blocks=1)
    done = limited(1 << 10, capture, option, tmp_path / "results")

    assert done.returncode == 2
    assert "results cannot be written: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [capture]


def test_a_file_cut_short_while_it_is_read_is_inspected_up_to_there(tmp_path: Path) -> None:
    capture = large(tmp_path / "a.pcap")
    end = FILE_HEADER_BYTES + 5 * (BLOCK_BYTES // 4)

    def cut(_done: int, _total: int | None) -> None:
        os.truncate(capture, end)

    found = inspecting.inspect_file(capture, progress=cut).inspection

    assert [(p.offset, p.reason) for p in found.problems] == [(end, SHRUNK)]
    assert found.bytes_count == end
    assert found.packets_count > BLOCK_BYTES // RECORD_BYTES
    assert found.totals.mp_capable_established == 1


def whole(path: Path) -> Inspected:
    return inspecting.inspect_file(large(path))


@pytest.mark.parametrize(
    "write",
    [
        lambda found, folder: exporting.export([found], folder),
        lambda found, folder: splitting.split([found], folder),
        plotting.plot,
    ],
    ids=["export", "split", "plot"],
)
def test_a_file_cut_short_after_it_was_inspected_gives_no_results(
    write: object, tmp_path: Path
) -> None:
    assert callable(write)
    found = whole(tmp_path / "a.pcap")
    os.truncate(tmp_path / "a.pcap", BLOCK_BYTES)

    with pytest.raises(CaptureError, match=f"byte {BLOCK_BYTES}: {SHRUNK}"):
        write(found, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_file_that_holds_something_else_after_it_was_inspected_gives_no_results(
    tmp_path: Path,
) -> None:
    found = whole(tmp_path / "a.pcap")
    crowd = []
    for port in range(1, 200):
        talk = Talk()
        talk.capable(talk.subflow(("10.3.3.3", port)))
        crowd += [cf.ethernet(packet) for packet in talk.packets()]
    with (tmp_path / "a.pcap").open("r+b") as file:
        file.write(cf.pcap(crowd))

    with pytest.raises(CaptureError, match="changed while it was read"):
        splitting.split([found], tmp_path / "parts")


def test_what_is_written_to_a_file_later_is_not_looked_at(tmp_path: Path) -> None:
    found = whole(tmp_path / "a.pcap")
    with (tmp_path / "a.pcap").open("ab") as file:
        file.write(b"?" * BLOCK_BYTES)
    exporting.export([found], tmp_path / "tables")

    assert found.inspection.problems == ()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    found = whole(tmp_path / "a.pcap")
    with pytest.raises(UsageError, match="there is no"):
        plotting.plot(found, tmp_path / "not" / "there")
