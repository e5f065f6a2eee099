"""Find the flow of one capture in another one: never by addresses alone.

Addresses, ports, sequence numbers, timestamps, options, payload and segmentation may all be
rewritten, so each is a clue and no one is needed.  Strong clues (64 bits made by the ends) decide
alone; the others need company.  Where several flows fit equally well, the clocks decide, if they
can; else nobody does, and the flows stay alone.  Hash buckets keep the cost linear in the flows.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Final, NamedTuple

from mptcp_check.analysis.pairing.flow_views import FlowView
from mptcp_check.analysis.pairing.flow_votes import Vote, vote_by_headers, vote_by_payload
from mptcp_check.analysis.pairing.halves import Half
from mptcp_check.analysis.pairing.paired import MADE_BY_THE_ENDS, Clue

_WEIGHTS: Final[Mapping[Clue, int]] = {
    Clue.KEYS: 8,
    Clue.JOIN: 8,
    Clue.ISN_OPENER: 3,
    Clue.ISN_LISTENER: 3,
    Clue.MAPPING: 4,
    Clue.SEQUENCE: 3,
    Clue.TIMESTAMP: 2,
    Clue.PAYLOAD_OPENER: 2,
    Clue.PAYLOAD_LISTENER: 2,
    Clue.PAYLOAD_PARTS: 4,
    Clue.ADDRESSES: 2,
    Clue.TIME: 1,
}
_RANK: Final = {clue: rank for rank, clue in enumerate(Clue)}
_DECISIVE: Final = (Clue.KEYS, Clue.JOIN)
_ENOUGH: Final = 4
"""Two weak clues, or an initial sequence number with anything else."""
_NEAREST: Final = 6
"""How many flows of a large bucket are looked at: those nearest in time."""
_SAME_TIME_NS: Final = 1_000_000_000
_LEAST_TOLERANCE_NS: Final = 5_000_000
_FAR: Final = 4
"""A rival must be so many times as far off as what is tolerated: proxies take their time."""
_CLOCKS_APART_NS: Final = 600_000_000_000
"""Equal payload alone makes no pair of what is further apart: two downloads of one file."""
_HALF_SPACE: Final = 1 << 31
"""Half of the sequence space: what lies further away is behind (RFC 9293, section 3.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A flow of the client's capture that is one of the server's."""

    client: FlowView
    server: FlowView
    clues: tuple[Clue, ...]


class _Edge(NamedTuple):
    """Two flows that may be one."""

    i: int
    j: int
    score: int


def match(client: Sequence[FlowView], server: Sequence[FlowView]) -> tuple[Match, ...]:
    """Pair the flows of two captures, each at most once.

    Args:
        client: Flows of the client's capture, in the order of time.
        server: Flows of the server's capture, in the order of time.

    Returns:
        The matches, in the order of the client's flows.
    """
    return _Search(client, server).run() if client and server else ()


class _Search:
    """The flows of both captures, and the pairs found so far."""

    def __init__(self, client: Sequence[FlowView], server: Sequence[FlowView]) -> None:
        self._client, self._server = list(client), list(server)
        self._server_times = [view.start_ns for view in server]
        self._pairs: dict[int, int] = {}
        self._taken: set[int] = set()
        self._voted: dict[tuple[int, int], Clue] = {}
        self._clock_ns: int | None = None
        self._clock_is_sure = False
        """Whether it rests on what the ends made themselves."""
        self._tolerance_ns = _LEAST_TOLERANCE_NS

    def run(self) -> tuple[Match, ...]:
        """Take the surest pairs first; with them the clocks' difference is known."""
        self._take_decisive()
        self._take_best()
        if self._open() and self._clock_ns is None:
            self._set_clock_by_order()
        if self._open() and self._clock_ns is not None:
            self._take_best()
        for vote in (vote_by_headers, vote_by_payload):
            if self._open():
                here = [i for i in range(len(self._client)) if i not in self._pairs]
                there = [j for j in range(len(self._server)) if j not in self._taken]
                self._take_votes(vote(self._client, here, self._server, there))
        found = [
            Match(client=self._client[i], server=self._server[j], clues=self._clues(i, j))
            for i, j in sorted(self._pairs.items())
        ]
        return tuple(pair for pair in found if self._plausible(pair))

    def _open(self) -> bool:
        """Say whether both captures have flows that are in no pair."""
        known = len(self._pairs)
        return known < len(self._client) and known < len(self._server)

    def _take(self, i: int, j: int) -> None:
        if i not in self._pairs and j not in self._taken:
            self._pairs[i] = j
            self._taken.add(j)

    def _set_clock(self) -> None:
        differences = sorted(
            self._server_times[j] - self._client[i].start_ns for i, j in self._pairs.items()
        )
        if not differences:
            return
        self._clock_ns = median_low(differences)
        off = sorted(abs(difference - self._clock_ns) for difference in differences)
        # nine of ten: a SYN that was lost begins a second later at the receiver
        self._tolerance_ns = max(_LEAST_TOLERANCE_NS, 2 * off[(len(off) - 1) * 9 // 10])

    def _take_decisive(self) -> None:
        for clue in _DECISIVE:
            there = _unique(clue, self._server)
            for value, i in _unique(clue, self._client).items():
                if value in there:
                    self._take(i, there[value])
        self._set_clock()
        self._clock_is_sure = self._clock_ns is not None

    def _take_best(self) -> None:
        """Take pairs from the highest score down, where no other pair is as good."""
        levels: dict[int, list[_Edge]] = defaultdict(list)
        for edge in self._edges():
            levels[edge.score].append(edge)
        for score in sorted(levels, reverse=True):
            edges = [e for e in levels[score] if e.i not in self._pairs and e.j not in self._taken]
            rivals: dict[tuple[str, int], list[_Edge]] = defaultdict(list)
            for edge in edges:
                rivals["client", edge.i].append(edge)
                rivals["server", edge.j].append(edge)
            for edge in edges:
                others = [
                    e
                    for e in (*rivals["client", edge.i], *rivals["server", edge.j])
                    if e is not edge
                ]
                if not others or self._nearest(edge, others):
                    self._take(edge.i, edge.j)
        if self._clock_ns is None:
            self._set_clock()

    def _edges(self) -> Iterable[_Edge]:
        for i, j in self._candidates():
            clues = self._clues(i, j)
            score = sum(_WEIGHTS[clue] for clue in clues)
            if self._clock_ns is not None and Clue.TIME not in clues:
                score -= _WEIGHTS[Clue.TIME]
            if score >= _ENOUGH:
                yield _Edge(i, j, score)

    def _candidates(self) -> Iterable[tuple[int, int]]:
        """Return index pairs that share any fingerprint, few per flow."""
        buckets: dict[tuple[Clue, Hashable], list[int]] = defaultdict(list)
        for j, view in enumerate(self._server):
            if j not in self._taken:
                for item in view.fingerprints.items():
                    buckets[item].append(j)
        pairs: dict[tuple[int, int], None] = {}
        for i, view in enumerate(self._client):
            if i in self._pairs:
                continue
            prints = list(view.fingerprints.items())
            if view.subflow.midstream:
                prints.append((Clue.ADDRESSES, (view.listener_endpoint, view.opener_endpoint)))
            for item in prints:
                bucket = buckets.get(item, [])
                if len(bucket) > _NEAREST:
                    if self._clock_ns is None:
                        continue
                    bucket = self._near(bucket, view.start_ns + self._clock_ns)
                pairs.update(dict.fromkeys((i, j) for j in bucket))
        return pairs

    def _near(self, bucket: list[int], time_ns: int) -> list[int]:
        """Return the members of a bucket that are nearest in time; it is in the order of time."""
        place = bisect_left(bucket, time_ns, key=self._server_times.__getitem__)
        first = min(max(0, place - _NEAREST // 2), len(bucket) - _NEAREST)
        return bucket[first : first + _NEAREST]

    def _distance_ns(self, i: int, j: int) -> int:
        return abs(self._server_times[j] - self._client[i].start_ns - (self._clock_ns or 0))

    def _nearest(self, edge: _Edge, others: Sequence[_Edge]) -> bool:
        """Say whether the clocks tell this pair from all others that are as good."""
        if self._clock_ns is None:
            return False
        if self._distance_ns(edge.i, edge.j) > self._tolerance_ns:
            return False
        return all(self._distance_ns(e.i, e.j) > _FAR * self._tolerance_ns for e in others)

    def _set_clock_by_order(self) -> None:
        """Guess the clocks' difference where only like flows are left, as many here as there.

        The n-th here is taken for the n-th there, only to learn the difference: `_take_best` then
        keeps the pairs that are far from all others by it.
        """
        groups: dict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for end, views, taken in (
            (0, self._client, self._pairs.keys()),
            (1, self._server, self._taken),
        ):
            for index, view in enumerate(views):
                prints = view.fingerprints
                if index not in taken and Clue.PAYLOAD_OPENER in prints:
                    name = prints[Clue.PAYLOAD_OPENER], prints.get(Clue.PAYLOAD_LISTENER)
                    groups[name][end].append(index)
        differences = sorted(
            self._server_times[j] - self._client[i].start_ns
            for here, there in groups.values()
            if len(here) == len(there)
            for i, j in zip(here, there, strict=True)
        )
        if not differences:
            return
        self._clock_ns = median_low(differences)
        off = max(abs(difference - self._clock_ns) for difference in differences)
        self._tolerance_ns = max(_LEAST_TOLERANCE_NS, off)

    def _take_votes(self, votes: Iterable[Vote]) -> None:
        for vote in votes:
            if vote.clue is Clue.PAYLOAD_PARTS and not self._overlap(vote.client, vote.server):
                continue
            if vote.turned:
                at_client = self._client[vote.client].subflow.midstream
                views, index = (
                    (self._client, vote.client) if at_client else (self._server, vote.server)
                )
                views[index] = views[index].turned()
            self._voted[vote.client, vote.server] = vote.clue
            self._take(vote.client, vote.server)
        if self._clock_ns is None:
            self._set_clock()

    def _overlap(self, i: int, j: int) -> bool:
        """Say whether two flows were there at one time, by both clocks."""
        if self._clock_ns is None:
            return True
        here, there = self._client[i].subflow, self._server[j].subflow
        return (
            there.start_ns <= here.end_ns + self._clock_ns + _SAME_TIME_NS
            and here.start_ns + self._clock_ns <= there.end_ns + _SAME_TIME_NS
        )

    def _clues(self, i: int, j: int) -> tuple[Clue, ...]:
        client, server = self._client[i], self._server[j]
        other = server.fingerprints
        found = [clue for clue, value in client.fingerprints.items() if other.get(clue) == value]
        voted = self._voted.get((i, j))
        if voted is not None:
            found.append(voted)
        if (
            Clue.SEQUENCE not in found
            and (client.opener.isn is None or server.opener.isn is None)
            and _same_range(client.opener, server.opener)
            and _same_range(client.listener, server.listener)
        ):
            found.append(Clue.SEQUENCE)
        if self._clock_ns is not None and self._distance_ns(i, j) < _SAME_TIME_NS:
            found.append(Clue.TIME)
        found.sort(key=_RANK.__getitem__)
        return tuple(found)

    def _plausible(self, pair: Match) -> bool:
        """Say whether a pair has more than a payload that anybody may have fetched again."""
        if not MADE_BY_THE_ENDS.isdisjoint(pair.clues) or Clue.ADDRESSES in pair.clues:
            return True
        apart_ns = abs(pair.server.start_ns - pair.client.start_ns)
        return apart_ns <= _CLOCKS_APART_NS or self._clock_is_sure


def _unique(clue: Clue, views: Sequence[FlowView]) -> dict[Hashable, int]:
    """Return the flows whose fingerprint no other flow of the capture has."""
    seen: dict[Hashable, int] = {}
    repeated: set[Hashable] = set()
    for index, view in enumerate(views):
        value = view.fingerprints.get(clue)
        if value is not None and seen.setdefault(value, index) != index:
            repeated.add(value)
    return {value: index for value, index in seen.items() if value not in repeated}


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
