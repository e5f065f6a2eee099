"""Parts of a capture are captures: each holds its connection, together they hold every frame."""

import subprocess
from pathlib import Path

import pytest

import capture_files as cf
from mptcp_check import inspecting, splitting
from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.flows.subflows import Kind
from mptcp_check.analysis.metrics.values import Inspection
from segments import CLIENT_2, Talk

GOLDEN = Path(__file__).parents[2] / "golden" / "captures"

Frame = tuple[int, int, bytes]


def frames(path: Path) -> list[Frame]:
    """Time, length on the wire and bytes of each frame."""
    capture = capture_file.read(path.read_bytes())
    rows = zip(*(column.tolist() for column in capture.records), strict=True)
    return [
        (time_ns, wire, capture.buffer[offset : offset + captured].tobytes())
        for offset, captured, wire, time_ns, _ in rows
    ]


def split(*paths: Path, to: Path) -> list[Inspection]:
    inspected = [inspecting.inspect_file(path) for path in paths]
    splitting.split(inspected, to)
    return [one.inspection for one in inspected]


@pytest.mark.parametrize("name", ["kernel_v1.pcapng", "kernel_v1_cooked.pcap"])
def test_each_part_has_exactly_its_connection_and_together_they_have_every_frame(
    name: str, tmp_path: Path
) -> None:
    (whole,) = split(GOLDEN / name, to=tmp_path / "parts")
    suffix = Path(name).suffix
    own = [c for c in whole.connections if c.kind is not Kind.TCP]
    files = {path.name for path in (tmp_path / "parts").iterdir()}

    assert files == {f"connection-{c.id}{suffix}" for c in own} | {f"rest{suffix}"}
    for connection in own:
        part = inspecting.inspect_file(tmp_path / "parts" / f"connection-{connection.id}{suffix}")
        (again,) = part.inspection.connections
        assert part.inspection.problems == ()
        assert (again.kind, again.token_server) == (connection.kind, connection.token_server)
        assert (again.c2s, again.s2c) == (connection.c2s, connection.s2c)
        for one, other in zip(again.subflows, connection.subflows, strict=True):
            assert (one.client, one.server, one.c2s, one.s2c) == (
                other.client,
                other.server,
                other.c2s,
                other.s2c,
            )
    rest = inspecting.inspect_file(tmp_path / "parts" / f"rest{suffix}").inspection
    assert all(c.kind is Kind.TCP for c in rest.connections)
    parts = [frame for path in (tmp_path / "parts").iterdir() for frame in frames(path)]
    assert sorted(parts) == sorted(frames(GOLDEN / name))


def test_other_tools_read_the_parts(tmp_path: Path) -> None:
    split(GOLDEN / "kernel_v1.pcapng", to=tmp_path / "parts")
    counts = []
    for path in sorted((tmp_path / "parts").iterdir()):
        done = subprocess.run(
            ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "frame.interface_name"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.count("appears to have been cut") == 0
        counts.append(len(done.stdout.splitlines()))
        assert set(done.stdout.split()) <= {"path0", "path1"}

    assert sum(counts) == len(frames(GOLDEN / "kernel_v1.pcapng"))


def test_parts_of_several_captures_are_numbered_through(tmp_path: Path) -> None:
    one, two = (GOLDEN / name for name in ("kernel_v1.pcapng", "kernel_v1_cooked.pcap"))
    first, second = split(one, two, to=tmp_path / "parts")
    shift = len(first.connections)
    files = {path.name for path in (tmp_path / "parts").iterdir()}

    assert files == {
        *(f"connection-{c.id}.pcapng" for c in first.connections if c.kind is not Kind.TCP),
        *(f"connection-{shift + c.id}.pcap" for c in second.connections if c.kind is not Kind.TCP),
        "rest-0.pcapng",
        "rest-1.pcap",
    }


def two_connections() -> tuple[list[bytes], list[bytes]]:
    both = []
    for port in (40_000, 50_000):
        talk = Talk(client_key=port, server_key=port + 1)
        talk.capable(talk.subflow((f"10.0.{port % 7}.1", port)), first_data=b"hello")
        both.append([cf.ethernet(packet) for packet in talk.packets()])
    return both[0], both[1]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [True, False])
def test_a_pcap_file_keeps_its_header_and_its_records(
    order: cf.Order,
    nanoseconds: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    one, two = two_connections()
    mixed = [frame for pair in zip(one, two, strict=True) for frame in pair]
    whole = cf.pcap(mixed, order=order, nanoseconds=nanoseconds)
    times = [cf.START_NS + index * 1_000_000 for index in range(len(mixed))]
    (tmp_path / "a.pcap").write_bytes(whole)
    split(tmp_path / "a.pcap", to=tmp_path / "parts")

    for number, own in enumerate((one, two)):
        expected = cf.pcap(own, order=order, nanoseconds=nanoseconds, times_ns=times[number::2])
        assert (tmp_path / "parts" / f"connection-{number}.pcap").read_bytes() == expected
    assert not (tmp_path / "parts" / "rest.pcap").exists()


def test_sections_and_interfaces_go_with_their_packets_comments_too(tmp_path: Path) -> None:
    one, two = two_connections()
    names = cf.block("<", 4, bytes(4))
    sections = [cf.section(comment=b"first"), cf.section(">")]
    interfaces = [cf.interface(name=b"a"), cf.interface(">", name=b"b", link_type=1)]
    counters = cf.statistics(number=0, received=8, dropped=0)
    packets = [
        b"".join(cf.enhanced(frame, 5, order=order) for frame in frames)
        for order, frames in (("<", one), (">", two))
    ]
    whole = sections[0] + interfaces[0] + names + packets[0] + counters
    whole += sections[1] + interfaces[1] + packets[1]
    (tmp_path / "a.pcapng").write_bytes(whole)
    split(tmp_path / "a.pcapng", to=tmp_path / "parts")

    parts = [(tmp_path / "parts" / f"connection-{n}.pcapng").read_bytes() for n in (0, 1)]
    head = sections[0] + interfaces[0] + names
    assert parts[0] == head + packets[0]
    assert parts[1] == head + sections[1] + interfaces[1] + packets[1]


def test_more_parts_than_files_can_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MOST_OPEN", 1)
    one, two = two_connections()
    mixed = [frame for pair in zip(one, two, strict=True) for frame in pair]
    (tmp_path / "a.pcap").write_bytes(cf.pcap(mixed))
    split(tmp_path / "a.pcap", to=tmp_path / "parts")

    for number, own in enumerate((one, two)):
        found = frames(tmp_path / "parts" / f"connection-{number}.pcap")
        assert [frame for _, _, frame in found] == own


def test_what_is_no_tcp_and_what_joins_is_where_it_belongs(tmp_path: Path) -> None:
    talk = Talk()
    talk.capable(talk.subflow(), first_data=b"hello")
    second = talk.join(talk.subflow(CLIENT_2, isn=(70_000, 80_000)))
    talk.data(second, 1, b"world")
    own = [cf.ethernet(packet) for packet in talk.packets()]
    other = bytes(14) + b"no TCP"
    (tmp_path / "a.pcap").write_bytes(cf.pcap([other, *own, other]))
    split(tmp_path / "a.pcap", to=tmp_path / "parts")

    found = [frame for _, _, frame in frames(tmp_path / "parts" / "connection-0.pcap")]
    assert found == own
    assert [frame for _, _, frame in frames(tmp_path / "parts" / "rest.pcap")] == [other] * 2
