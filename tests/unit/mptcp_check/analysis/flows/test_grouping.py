import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.flows.grouping import Flows, group
from segments import ACK, CLIENT, CLIENT_6, FIN, SERVER, SERVER_6, SYN, Segment


def grouped(*segments: Segment, times_ns: list[int] | None = None) -> Flows:
    packets = [segment.packet() for segment in segments]
    return group(read(cf.pcap(packets, link_type=RAW, times_ns=times_ns)).packets)


def syn(seq: int = 1000) -> Segment:
    return Segment(flags=SYN, seq=seq)


def synack(seq: int = 9000, ack: int = 1001) -> Segment:
    return Segment(flags=SYN | ACK, seq=seq, ack=ack, source=SERVER, destination=CLIENT)


def client(seq: int = 1001, flags: int = ACK) -> Segment:
    return Segment(flags=flags, seq=seq, ack=9001)


def test_both_directions_are_one_connection_and_its_opener_sent_the_syn() -> None:
    flows = grouped(syn(), synack(), client())

    assert len(flows) == 1
    assert flows.opener.tolist() == [0]
    assert flows.isn.tolist() == [[1000, 9000]]
    assert flows.rows(0, 0).tolist() == [0, 2]
    assert flows.rows(0, 1).tolist() == [1]
    assert not flows.midstream[0]


def test_a_syn_sent_again_begins_nothing_new() -> None:
    assert len(grouped(syn(), syn(), syn(), synack(), synack(), client())) == 1


def test_ports_used_again_are_a_new_connection() -> None:
    again = (syn(5000), synack(77, ack=5001))
    flows = grouped(syn(), synack(), client(), client(flags=FIN | ACK), *again)

    assert len(flows) == 2
    assert flows.isn.tolist() == [[1000, 9000], [5000, 77]]
    assert flows.flow_of.tolist() == [0, 0, 0, 0, 1, 1]


def test_ports_used_again_by_the_other_end_are_a_new_connection_that_it_opened() -> None:
    back = Segment(flags=SYN, seq=4, source=SERVER, destination=CLIENT)
    flows = grouped(syn(), synack(), client(), back)

    assert flows.flow_of.tolist() == [0, 0, 0, 1]
    assert flows.isn.tolist() == [[1000, 9000], [4, -1]]


def test_two_syns_that_cross_are_one_connection() -> None:
    """RFC 9293, section 3.5, figure 7: simultaneous open."""
    crossing = Segment(flags=SYN, seq=9000, source=SERVER, destination=CLIENT)
    theirs = Segment(flags=SYN | ACK, seq=1000, ack=9001)
    flows = grouped(syn(), crossing, theirs, synack())

    assert len(flows) == 1
    assert flows.isn.tolist() == [[1000, 9000]]
    assert flows.opener.tolist() == [0]


def test_a_synack_without_its_syn_tells_who_opened() -> None:
    flows = grouped(synack(), client())

    assert flows.opener.tolist() == [1]
    assert flows.isn.tolist() == [[9000, 1000]]
    assert not flows.midstream[0]


def test_a_synack_for_another_syn_is_another_connection() -> None:
    flows = grouped(syn(), synack(ack=500_000))

    assert flows.flow_of.tolist() == [0, 1]


def test_a_synack_may_acknowledge_data_in_the_syn() -> None:
    assert len(grouped(syn(), synack(ack=1001 + 1400))) == 1


def test_a_syn_at_the_end_of_the_number_space_is_acknowledged_at_its_start() -> None:
    assert len(grouped(syn(0xFFFF_FFFF), synack(ack=0))) == 1


def test_without_a_syn_the_higher_port_is_taken_for_the_clients() -> None:
    from_server = Segment(source=SERVER, destination=CLIENT, seq=5, ack=6)
    flows = grouped(from_server, client())

    assert flows.midstream.tolist() == [True]
    assert flows.opener.tolist() == [1]
    assert flows.isn.tolist() == [[-1, -1]]


def test_a_syn_after_a_connection_that_began_before_the_capture_is_a_new_one() -> None:
    assert grouped(client(), syn(), synack()).flow_of.tolist() == [0, 1, 1]


def test_addresses_of_both_families_never_meet() -> None:
    six = Segment(flags=SYN, source=CLIENT_6, destination=SERVER_6)
    assert len(grouped(syn(), six)) == 2


def test_frames_out_of_time_order_are_put_in_order() -> None:
    flows = grouped(client(), synack(), syn(), times_ns=[30, 20, 10])

    assert len(flows) == 1
    assert flows.rows(0, 0).tolist() == [2, 0]
    assert flows.isn.tolist() == [[1000, 9000]]


def test_thousands_of_connections_are_told_apart() -> None:
    segments = [Segment(source=(f"10.{n >> 8}.{n & 255}.1", 1024 + n), seq=n) for n in range(3000)]
    flows = grouped(*segments, *segments)

    assert len(flows) == 3000
    assert (flows.flow_of[:3000] == flows.flow_of[3000:]).all()


ENDS = st.sampled_from([("10.0.0.1", 1), ("10.0.0.1", 2), ("10.0.0.2", 1), ("10.0.0.2", 2)])
ANY_SEGMENTS = st.lists(
    st.builds(
        Segment,
        source=ENDS,
        destination=ENDS,
        flags=st.sampled_from([SYN, SYN | ACK, ACK, FIN | ACK]),
        seq=st.sampled_from([0, 1, 7, 0xFFFF_FFFF]),
        ack=st.sampled_from([0, 1, 2, 8]),
    ),
    max_size=20,
)


@given(ANY_SEGMENTS)
def test_every_segment_has_one_place_and_connections_hold_one_pair_of_ends(
    segments: list[Segment],
) -> None:
    flows = grouped(*segments)

    assert sorted(flows.sorted_rows.tolist()) == list(range(len(segments)))
    for flow in range(len(flows)):
        ends = set()
        for end in (0, 1):
            rows = flows.rows(flow, end)
            assert np.array_equal(flows.flow_of[rows], np.full(len(rows), flow))
            for row in rows:
                ends.add(frozenset((segments[row].source, segments[row].destination)))
        assert len(ends) == 1


@given(ANY_SEGMENTS)
def test_sending_a_segment_twice_adds_no_connection(segments: list[Segment]) -> None:
    twice = [segment for segment in segments for _ in range(2)]

    assert len(grouped(*twice)) == len(grouped(*segments))
