"""Find the flow of one capture in another one: never by addresses alone.

Addresses, ports, sequence numbers, timestamps, options and segmentation may all be rewritten, so
each is a clue and no one is needed.  Strong clues (64 bits made by the ends) decide alone;
the others need company.  Hash buckets keep the cost linear in the flows.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Final

from mptcp_check.analysis.pairing.flow_views import FlowView
from mptcp_check.analysis.pairing.paired import Clue, Half

_WEIGHTS: Final[Mapping[Clue, int]] = {
    Clue.KEYS: 8,
    Clue.JOIN: 8,
    Clue.ISN_OPENER: 3,
    Clue.ISN_LISTENER: 3,
    Clue.SEQUENCE: 3,
    Clue.TIMESTAMP: 2,
    Clue.PAYLOAD_OPENER: 2,
    Clue.PAYLOAD_LISTENER: 2,
    Clue.ADDRESSES: 2,
    Clue.TIME: 1,
}
_ENOUGH: Final = 4
"""Two weak clues, or an initial sequence number with anything else."""
_NEAREST: Final = 6
"""How many flows of a large bucket are looked at: those nearest in time."""
_SAME_TIME_NS: Final = 1_000_000_000
_HALF_SPACE: Final = 1 << 31
"""Half of the sequence space: what lies further away is behind (RFC 9293, section 3.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A flow of the client's capture that is one of the server's."""

    client: FlowView
    server: FlowView
    clues: tuple[Clue, ...]


def match(client: Sequence[FlowView], server: Sequence[FlowView]) -> tuple[Match, ...]:
    """Pair the flows of two captures, each at most once.

    Args:
        client: Flows of the client's capture, in the order of time.
        server: Flows of the server's capture, in the order of time.

    Returns:
        The matches, in the order of the client's flows.
    """
    sure = _best(client, server, _candidates(client, server, clock_ns=None), clock_ns=None)
    decided = [(i, j) for i, j, score in sure if score >= _WEIGHTS[Clue.KEYS]]
    # with the surest pairs the clocks' difference is known, and time becomes a clue
    differences = [server[j].start_ns - client[i].start_ns for i, j in decided]
    clock_ns = median_low(differences) if differences else None
    taken = {i for i, _ in decided}, {j for _, j in decided}
    rest = [
        (i, j)
        for i, j in _candidates(client, server, clock_ns=clock_ns)
        if i not in taken[0] and j not in taken[1]
    ]
    decided += [(i, j) for i, j, _ in _best(client, server, rest, clock_ns=clock_ns)]
    return tuple(
        Match(
            client=client[i],
            server=server[j],
            clues=_clues(client[i], server[j], clock_ns),
        )
        for i, j in sorted(decided)
    )


def _candidates(
    client: Sequence[FlowView], server: Sequence[FlowView], *, clock_ns: int | None
) -> list[tuple[int, int]]:
    """Return index pairs that share any fingerprint, few per flow."""
    offset_ns = clock_ns
    if offset_ns is None:
        # without a common clock, the place since the first flow is the best that there is
        offset_ns = server[0].start_ns - client[0].start_ns if client and server else 0
    buckets: dict[tuple[Clue, Hashable], list[int]] = defaultdict(list)
    for j, view in enumerate(server):
        for item in view.fingerprints.items():
            buckets[item].append(j)
    pairs: dict[tuple[int, int], None] = {}
    for i, view in enumerate(client):
        for item in view.fingerprints.items():
            bucket = buckets.get(item, ())
            if len(bucket) > _NEAREST:
                # a bucket is in the order of time
                place = bisect_left(
                    bucket, view.start_ns + offset_ns, key=lambda j: server[j].start_ns
                )
                first = min(max(0, place - _NEAREST // 2), len(bucket) - _NEAREST)
                bucket = bucket[first : first + _NEAREST]
            pairs.update(dict.fromkeys((i, j) for j in bucket))
    return list(pairs)


def _best(
    client: Sequence[FlowView],
    server: Sequence[FlowView],
    candidates: Sequence[tuple[int, int]],
    *,
    clock_ns: int | None,
) -> list[tuple[int, int, int]]:
    """Choose pairs from the highest score down; equal scores by the nearer time."""
    scored = []
    for i, j in candidates:
        clues = _clues(client[i], server[j], clock_ns)
        score = sum(_WEIGHTS[w] for w in clues)
        if clock_ns is not None and Clue.TIME not in clues:
            score -= _WEIGHTS[Clue.TIME]
        distance_ns = abs(server[j].start_ns - client[i].start_ns - (clock_ns or 0))
        if score >= _ENOUGH:
            scored.append((-score, distance_ns if clock_ns is not None else abs(i - j), i, j))
    used: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for negative, _, i, j in sorted(scored):
        if i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            chosen.append((i, j, -negative))
    return chosen


def _clues(client: FlowView, server: FlowView, clock_ns: int | None) -> tuple[Clue, ...]:
    found = [
        clue
        for clue, value in client.fingerprints.items()
        if server.fingerprints.get(clue) == value
    ]
    if _same_range(client.opener, server.opener) and _same_range(client.listener, server.listener):
        found.append(Clue.SEQUENCE)
    if clock_ns is not None:
        distance_ns = abs(server.start_ns - client.start_ns - clock_ns)
        if distance_ns < _SAME_TIME_NS:
            found.append(Clue.TIME)
    return tuple(sorted(found, key=list(Clue).index))


def _same_range(here: Half, there: Half) -> bool:
    """Say whether two halves, one without its SYN, can be of one stream by their numbers."""
    if here.isn is not None and there.isn is not None:
        return False
    if not len(here.rows) or not len(there.rows):
        return False
    packets = here.capture.packets, there.capture.packets
    first = int(packets[0].seq[here.rows[0]]), int(packets[1].seq[there.rows[0]])
    reach = int(here.starts.max() - here.starts[0]), int(there.starts.max() - there.starts[0])
    distance = (first[1] - first[0] + _HALF_SPACE) % (2 * _HALF_SPACE) - _HALF_SPACE
    return -reach[1] <= distance <= reach[0]
