"""What all boxes that keep a stream right have in common: both ends get every byte, in order."""

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.middleboxes.ack_hole_altered import AckHoleAltered, Treatment
from mptcp_check.middleboxes.ack_hole_altered import Parameters as Checked
from mptcp_check.middleboxes.acked_by_middlebox import AckedByMiddlebox
from mptcp_check.middleboxes.acked_by_middlebox import Parameters as Acked
from mptcp_check.middleboxes.behaviour import Behaviour, Randomness
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.connection_proxied import ConnectionProxied, Mode
from mptcp_check.middleboxes.connection_proxied import Parameters as Proxied
from mptcp_check.middleboxes.duplication import Duplication
from mptcp_check.middleboxes.duplication import Parameters as Doubled
from mptcp_check.middleboxes.hole_blocked import HoleBlocked
from mptcp_check.middleboxes.loss import Loss
from mptcp_check.middleboxes.loss import Parameters as Lost
from mptcp_check.middleboxes.path_blackholed import Parameters as Blackholed
from mptcp_check.middleboxes.path_blackholed import PathBlackholed
from mptcp_check.middleboxes.reordering import Parameters as Reordered
from mptcp_check.middleboxes.reordering import Reordering
from mptcp_check.middleboxes.retransmission_altered import RetransmissionAltered
from mptcp_check.middleboxes.segments_coalesced import Parameters as Coalesced
from mptcp_check.middleboxes.segments_coalesced import SegmentsCoalesced
from mptcp_check.middleboxes.segments_split import Parameters as Split
from mptcp_check.middleboxes.segments_split import SegmentsSplit
from mptcp_check.middleboxes.sequence_numbers_rewritten import SequenceNumbersRewritten
from tcp_model import MS, talk

Make = Callable[[Randomness], Behaviour]

BOXES: dict[str, Make] = {
    "numbers rewritten": lambda _: SequenceNumbersRewritten(),
    "split": lambda _: SegmentsSplit(Split(max_payload_bytes=90)),
    "coalesced": lambda _: SegmentsCoalesced(Coalesced(merge_count=3)),
    "acknowledged early": lambda _: AckedByMiddlebox(Acked(timeout_ns=30 * MS, engage_count=1)),
    "little room": lambda _: AckedByMiddlebox(Acked(timeout_ns=30 * MS, buffer_bytes=3000)),
    "in order": lambda _: HoleBlocked(),
    "acknowledgments dropped": lambda _: AckHoleAltered(),
    "acknowledgments corrected": lambda _: AckHoleAltered(Checked(treatment=Treatment.CORRECT)),
    "first copies": lambda _: RetransmissionAltered(),
    "split proxy": lambda rng: ConnectionProxied(Proxied(timeout_ns=30 * MS), rng=rng),
    "small proxy": lambda rng: ConnectionProxied(
        Proxied(timeout_ns=30 * MS, mss_bytes=333, buffer_bytes=2000, window_shift=0), rng=rng
    ),
    "proxy that cuts anew": lambda rng: ConnectionProxied(
        Proxied(timeout_ns=30 * MS, mss_bytes=333, cuts_anew=True), rng=rng
    ),
    "SYN proxy": lambda rng: ConnectionProxied(
        Proxied(mode=Mode.SYN_PROXY, timeout_ns=30 * MS), rng=rng
    ),
    "short outage": lambda _: PathBlackholed(Blackholed(after_count=9, duration_ns=90 * MS)),
}


def disturbance(rng: random.Random, probability: float) -> list[Behaviour]:
    return [
        Loss(Lost(probability=probability), rng=rng),
        Reordering(Reordered(probability=probability), rng=rng),
        Duplication(Doubled(probability=probability, distance_ns=MS), rng=rng),
    ]


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(BOXES)),
    seed=st.integers(0, 2**20),
    before=st.sampled_from((0.0, 0.1)),
    behind=st.sampled_from((0.0, 0.1)),
    sack=st.booleans(),
    isns=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
)
def test_both_ends_get_every_byte_whatever_the_path_does_before_and_behind_the_box(
    *, name: str, seed: int, before: float, behind: float, sack: bool, isns: tuple[int, int]
) -> None:
    rng = random.Random(seed)  # noqa: S311 - reproducible
    upload, download = rng.randbytes(6000), rng.randbytes(9000)
    box = BOXES[name](rng)

    seen = talk(
        [*disturbance(rng, before), box, *disturbance(rng, behind)],
        upload=upload,
        download=download,
        seed=seed,
        isns=isns,
        sack=sack,
    )

    assert seen.server.stream == upload
    assert seen.client.stream == download
    assert seen.client.done
    assert seen.server.done
    assert falls_silent(seen.chain)


def falls_silent(chain: Chain) -> bool:
    """Say whether a chain has nothing to do any more at some time when nothing comes."""
    for _ in range(5000):
        due_ns = chain.next_due_ns()
        if due_ns is None:
            return True
        chain.poll(due_ns)
    return False
