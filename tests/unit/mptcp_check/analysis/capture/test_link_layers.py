from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture import link_layers
from mptcp_check.analysis.capture.capture_file import read
from segments import CLIENT_6, SERVER_6, Segment

Wrap = Callable[[bytes], bytes]

WRAPPED: list[tuple[int, Wrap]] = [
    (link_layers.ETHERNET, cf.ethernet),
    (link_layers.ETHERNET, lambda packet: cf.ethernet(packet, 0x8100)),
    (link_layers.ETHERNET, lambda packet: cf.ethernet(packet, 0x88A8, 0x8100)),
    (link_layers.ETHERNET, lambda packet: cf.ethernet(packet, 0x9100, 0x9200, 0x8100)),
    (link_layers.ETHERNET, cf.pppoe),
    (link_layers.LINUX_COOKED, cf.cooked),
    (link_layers.LINUX_COOKED_2, cf.cooked_2),
    (link_layers.LINUX_COOKED_2, cf.cooked_2_tagged),
    (link_layers.RAW, cf.raw),
    (link_layers.RAW_BSD, cf.raw),
    (link_layers.RAW_OPENBSD, cf.raw),
    (link_layers.PPP, cf.ppp),
    (link_layers.PPP, cf.ppp_bare),
    (link_layers.PPP, cf.ppp_compressed),
    (link_layers.PPP_SERIAL, cf.ppp),
    (link_layers.PPP_PPPD, cf.ppp),
    (link_layers.PPPOE, lambda packet: cf.pppoe(packet)[14:]),
    (link_layers.NULL, cf.null_little),
    (link_layers.NULL, cf.null_big),
    (link_layers.LOOP, cf.null_big),
]


@pytest.mark.parametrize("packet", [Segment(), Segment(source=CLIENT_6, destination=SERVER_6)])
@pytest.mark.parametrize(("link_type", "wrap"), WRAPPED)
def test_each_link_layer_leads_to_the_segment(link_type: int, wrap: Wrap, packet: Segment) -> None:
    frame = wrap(packet.packet())
    packets = read(cf.pcap([frame], link_type=link_type)).packets

    assert packets.src_port.tolist() == [40000]
    assert int(packets.ip_offset[0]) == 40 + len(frame) - len(packet.packet())
    assert link_type in link_layers.NAMES


@pytest.mark.parametrize(("link_type", "wrap"), WRAPPED)
def test_a_frame_cut_anywhere_gives_no_row_before_its_tcp_header_is_whole(
    link_type: int, wrap: Wrap
) -> None:
    frame = wrap(Segment(payload=b"data").packet())
    needed = len(frame) - len(b"data")

    for cut in range(len(frame) + 1):
        # The frame ends the file: an interpreted kernel that reads on finds nothing there.
        packets = read(cf.pcap([frame], link_type=link_type, snap_bytes=cut)).packets
        assert len(packets) == (cut >= needed)
        if len(packets):
            assert int(packets.captured_bytes[0]) == cut - needed
            assert int(packets.payload_bytes[0]) == 4


@pytest.mark.parametrize(
    ("link_type", "frame"),
    [
        (link_layers.ETHERNET, bytes(12) + b"\x08\x06" + bytes(40)),
        (link_layers.LINUX_COOKED_2, bytes(60)),
        (link_layers.NULL, b"\x07\x00\x00\x00" + bytes(40)),
        (link_layers.NULL, b"\x02\x01\x00\x00" + bytes(40)),
        (link_layers.NULL, b"\x02\x00\x00\x02" + bytes(40)),
        (link_layers.PPP, b"\xc0\x21" + bytes(40)),
        (link_layers.PPP, b"\xff\x03"),
        (link_layers.RAW, b"\x00" * 60),
        (147, Segment().packet()),
        (65535, Segment().packet()),
    ],
)
def test_what_is_not_ip_is_counted_and_left_alone(link_type: int, frame: bytes) -> None:
    packets = read(cf.pcap([frame], link_type=link_type)).packets

    assert (packets.frame_count, len(packets)) == (1, 0)


@given(st.sampled_from(sorted(link_layers.NAMES)), st.binary(max_size=120))
def test_any_bytes_are_a_frame_of_any_link_type(link_type: int, frame: bytes) -> None:
    packets = read(cf.pcap([frame], link_type=link_type)).packets

    assert packets.frame_count == 1
