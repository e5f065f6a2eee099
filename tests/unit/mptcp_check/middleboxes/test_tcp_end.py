import pytest

from mptcp_check.middleboxes.crafting import Road, crafted
from mptcp_check.middleboxes.frame import ACK, SYN, TcpSegment, tcp_segment
from mptcp_check.middleboxes.tcp_end import TcpEnd
from wire_frames import tcp_frame

ISN = 2**32 - 700
PEER = 5000
TIMEOUT_NS = 100


def segment(flags: int, sequence: int, acknowledgment: int, options: bytes = b"") -> TcpSegment:
    like = tcp_segment(tcp_frame())
    assert like is not None
    found = tcp_segment(
        crafted(
            Road.along(like),
            sequence=sequence,
            acknowledgment=acknowledgment,
            flags=flags,
            window=8192,
            options=options,
        )
    )
    assert found is not None
    return found


def established(*, cuts_anew: bool) -> TcpEnd:
    end = TcpEnd(
        isn=ISN,
        mss_bytes=1460,
        buffer_bytes=100_000,
        shift=7,
        timeout_ns=TIMEOUT_NS,
        cuts_anew=cuts_anew,
    )
    end.listen(segment(SYN, PEER, 0, bytes.fromhex("020405b4 01030307")), 0)
    end.on_segment(segment(ACK, PEER + 1, ISN + 1), 0)
    end.said()
    return end


def sent(end: TcpEnd) -> list[tuple[int, int]]:
    """Return from where to where the segments reach that an end says, its first byte being 0."""
    starts = [((each.sequence - ISN - 1) % 2**32, len(each.payload)) for each in end.said()]
    return [(start, start + size) for start, size in starts if size]


@pytest.mark.parametrize(("cuts_anew", "again"), [(False, (0, 1000)), (True, (0, 1460))])
def test_what_was_lost_is_cut_as_it_was_or_anew(*, cuts_anew: bool, again: tuple[int, int]) -> None:
    end = established(cuts_anew=cuts_anew)
    end.write(bytes(1000), 0)
    end.write(bytes(2000), 0)
    assert sent(end) == [(0, 1000), (1000, 2460), (2460, 3000)]

    end.on_time(TIMEOUT_NS)

    assert sent(end) == [again]


def test_a_peer_that_took_half_a_segment_gets_the_rest_of_it() -> None:
    end = established(cuts_anew=False)
    end.write(bytes(1000), 0)
    end.write(bytes(1000), 0)
    end.on_segment(segment(ACK, PEER + 1, ISN + 1 + 400), 0)
    end.said()

    end.on_time(TIMEOUT_NS)

    assert sent(end) == [(400, 1000)]
