import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import pcap_file
from mptcp_guest.capture import command, lags, parse_counts, problem_of

WHOLE = pcap_file.Contents(packet_count=12, whole=True)
COUNTS = {"captured_count": 12, "received_count": 12, "dropped_count": 0}
ROOM = 10**9

HEADER = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)


def pcap(sizes: list[int]) -> bytes:
    records = (struct.pack("=IIII", 1, 2, size, size) + bytes(size) for size in sizes)
    return HEADER + b"".join(records)


def test_whole_packets_are_written_at_once_and_the_filter_stays_one_word() -> None:
    words = command("eth0", Path("/x/eth0.pcap"), "tcp and host 10.77.0.2")
    assert words[:3] == ["tcpdump", "-i", "eth0"]
    assert {"--immediate-mode", "-U", "-n", "--nano"} < set(words)
    assert words[-2:] == ["--", "tcp and host 10.77.0.2"]


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (
            "12 packets captured\n13 packets received by filter\n1 packet dropped by kernel\n",
            {"captured_count": 12, "received_count": 13, "dropped_count": 1},
        ),
        ("2 packets dropped by interface", {"interface_dropped_count": 2}),
        (
            "7 packets captured, 7 packets received by filter, 0 packets dropped by kernel",
            {"captured_count": 7, "received_count": 7, "dropped_count": 0},
        ),
        ("tcpdump: listening on eth0", {}),
    ],
)
def test_what_tcpdump_counted_is_read_from_its_words(words: str, counts: dict[str, int]) -> None:
    assert parse_counts(words) == counts


def test_a_capture_that_lost_nothing_has_no_problem() -> None:
    assert (
        problem_of(WHOLE, COUNTS, at_start={}, at_rest={}, died=None, free_bytes=ROOM, words="")
        is None
    )


@pytest.mark.parametrize(
    ("at_rest", "words"),
    [
        ({"captured_count": 12, "received_count": 12, "dropped_count": 0}, None),
        (
            {"captured_count": 11, "received_count": 12, "dropped_count": 0},
            "the filter let 13 packets pass, tcpdump wrote 12",
        ),
        ({"dropped_count": 0}, "the filter let 13 packets pass, tcpdump wrote 12"),
    ],
)
def test_only_what_came_after_the_exchanges_may_be_missing(
    at_rest: dict[str, int], words: str | None
) -> None:
    more = {**COUNTS, "received_count": 13}
    start = {"captured_count": 0, "received_count": 0}
    said = problem_of(
        WHOLE, more, at_start=start, at_rest=at_rest, died=None, free_bytes=ROOM, words=""
    )
    assert said == words


def test_what_came_before_the_filter_was_in_place_is_not_missing() -> None:
    more = {**COUNTS, "received_count": 13}
    start = {"captured_count": 0, "received_count": 1}

    def said(at_rest: dict[str, int]) -> str | None:
        return problem_of(
            WHOLE, more, at_start=start, at_rest=at_rest, died=None, free_bytes=ROOM, words=""
        )

    assert said(more) is None
    assert said({"captured_count": 11, "received_count": 13}) is not None


@pytest.mark.parametrize(
    ("at_start", "now", "behind"),
    [
        ((0, 0), (12, 12), False),
        ((0, 0), (11, 12), True),
        ((0, 1), (11, 12), False),  # it came before the filter was in place
        ((0, 1), (10, 12), True),
        (None, (11, 12), False),
        ((0, 0), None, False),
    ],
)
def test_a_tcpdump_that_has_not_written_everything_lags(
    at_start: tuple[int, int] | None,
    now: tuple[int, int] | None,
    behind: bool,  # noqa: FBT001 - a case
) -> None:
    def counted(numbers: tuple[int, int] | None) -> dict[str, int]:
        names = ("captured_count", "received_count")
        return dict(zip(names, numbers, strict=True)) if numbers else {}

    assert lags(counted(at_start), counted(now)) is behind


@pytest.mark.parametrize(
    ("held", "counts", "died", "free_bytes", "words"),
    [
        (WHOLE, COUNTS, 1, ROOM, "ended by itself with exit code 1"),
        (WHOLE, {}, None, ROOM, "did not say what it captured"),
        (WHOLE, {**COUNTS, "dropped_count": 3}, None, ROOM, "3 packets were dropped"),
        (WHOLE, {**COUNTS, "received_count": 13}, None, ROOM, "13 packets pass, tcpdump wrote 12"),
        (
            pcap_file.Contents(packet_count=7, whole=False),
            COUNTS,
            None,
            0,
            "captured 12 packets, the file holds 7: No space left on device",
        ),
        (pcap_file.Contents(packet_count=12, whole=False), COUNTS, None, ROOM, "the file holds 12"),
    ],
)
def test_every_way_to_lose_packets_is_a_problem(
    held: pcap_file.Contents,
    counts: dict[str, int],
    died: int | None,
    free_bytes: int,
    words: str,
) -> None:
    problem = problem_of(
        held, counts, at_start={}, at_rest={}, died=died, free_bytes=free_bytes, words="tail"
    )
    assert problem is not None
    assert words in problem


def read(path: Path) -> pcap_file.Reading:
    reading = pcap_file.Reading(path)
    reading.go_on()
    return reading


@given(st.lists(st.integers(0, 300), max_size=8), st.lists(st.integers(0, 2500), max_size=4))
def test_a_file_that_grows_is_read_as_one_that_is_there(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], cuts: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "growing.pcap"
    path.unlink(missing_ok=True)
    content = pcap(sizes)
    reading = pcap_file.Reading(path)
    reading.go_on()
    for cut in [*sorted(cuts), len(content)]:
        with path.open("ab") as file:
            file.write(content[path.stat().st_size : cut])
        reading.go_on()
    assert reading.contents == pcap_file.Contents(packet_count=len(sizes), whole=True)
    assert reading.sha256 == hashlib.sha256(content).hexdigest()
    assert reading.size_bytes == len(content)


@given(st.lists(st.integers(0, 300), max_size=8), st.data())
def test_a_cut_file_holds_only_its_whole_records(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.pcap"
    content = pcap(sizes)
    kept = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:kept])
    ends = [len(pcap(sizes[:count])) for count in range(len(sizes) + 1)]
    assert read(path).contents == pcap_file.Contents(
        packet_count=max(0, sum(end <= kept for end in ends) - 1), whole=kept in ends
    )


@given(st.binary(max_size=200))
def test_any_other_file_is_no_whole_capture(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "other.pcap"
    path.write_bytes(b"\n\r\r\n" + content)
    assert read(path).contents == pcap_file.Contents(packet_count=0, whole=False)
