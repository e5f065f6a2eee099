"""Two segments side by side: every field, every option, and what differs between the ends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import groupby, repeat
from typing import Any, Final

from mptcp_check.analysis.reporting.report_text import grouped

_FIELDS: Final = (
    ("Source", "source"),
    ("Destination", "destination"),
    ("Flags", "flags"),
    ("Seq number", "seq"),
    ("Ack number", "ack"),
    ("Window", "window"),
    ("TTL", "ttl"),
    ("IP id", "ip_id"),
    ("Payload", "payload_bytes"),
)
_HEX_COLUMNS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the comparison."""

    name: str
    sent: str | None
    """None where there is nothing at this end."""
    received: str | None
    differs: bool
    mptcp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One segment as both captures hold it, or as one holds it alone."""

    sent: Mapping[str, Any] | None
    received: Mapping[str, Any] | None
    fields: tuple[Row, ...] = ()
    options: tuple[Row, ...] = ()
    payload: tuple[Row, ...] = field(default=())


Outgoing = Callable[[Mapping[str, Any]], bool]
"""Says of a decoded segment whether the machine at its capture sent it."""


def side_by_side(
    evidence: Sequence[Mapping[str, Any]],
    packets: Mapping[tuple[str, int], Mapping[str, Any]],
    outgoing: Outgoing,
) -> tuple[Pair, ...]:
    """Lay the frames of a finding beside each other.

    What one machine sent stands beside what the other one received.  Where there are more on one
    side, the last ones belong together and the earlier ones stand alone: SYNs in vain come before
    the one that passes.

    Args:
        evidence: ``{side, frame}`` in the order of the finding.
        packets: Decoded segments by side and frame.
        outgoing: Tells what was sent from what was received.
    """
    known = [packets[e["side"], e["frame"]] for e in evidence if (e["side"], e["frame"]) in packets]
    pairs: list[tuple[int, Pair]] = []
    for sender in dict.fromkeys(p["side"] for p in known):
        sent = [p for p in known if p["side"] == sender and outgoing(p)]
        pairs += _in_rows(
            known, sent, [p for p in known if p["side"] != sender and not outgoing(p)]
        )
    if len({p["side"] for p in known}) == 1:  # nothing of the other end to lay beside
        pairs += _in_rows(known, [], [p for p in known if not outgoing(p)])
    return tuple(pair for _, pair in sorted(pairs, key=lambda item: item[0]))


def _in_rows(
    known: Sequence[Mapping[str, Any]],
    sent: Sequence[Mapping[str, Any]],
    received: Sequence[Mapping[str, Any]],
) -> list[tuple[int, Pair]]:
    """Pair two lists from their ends; each pair with the place of its last frame."""
    missing = len(sent) - len(received)
    rows = zip([*repeat(None, -missing), *sent], [*repeat(None, missing), *received], strict=True)
    return [(max(known.index(p) for p in (a, b) if p is not None), _pair(a, b)) for a, b in rows]


def _pair(sent: Mapping[str, Any] | None, received: Mapping[str, Any] | None) -> Pair:
    one = sent or received
    if one is None:
        return Pair(sent=None, received=None)
    fields = tuple(
        Row(
            name=name,
            sent=None if sent is None else _text(sent[key]),
            received=None if received is None else _text(received[key]),
            differs=sent is not None and received is not None and sent[key] != received[key],
        )
        for name, key in _FIELDS
    )
    return Pair(
        sent=sent,
        received=received,
        fields=fields,
        options=tuple(_options(sent, received)),
        payload=tuple(_payload(sent, received)),
    )


def _text(content: Any) -> str:  # noqa: ANN401 - any value that JSON has
    return grouped(content) if isinstance(content, int) else str(content)


def _options(sent: Mapping[str, Any] | None, received: Mapping[str, Any] | None) -> list[Row]:
    """Align two option lists: what is on one side only stands alone in its line."""
    left, right = _lines(sent), _lines(received)
    alone = sent is None or received is None
    rows = []
    for tag, a, b, c, d in SequenceMatcher(a=left, b=right, autojunk=False).get_opcodes():
        here, there = left[a:b], right[c:d]
        for place in range(max(len(here), len(there))):
            mine = here[place] if place < len(here) else None
            other = there[place] if place < len(there) else None
            rows.append(
                Row(
                    name="",
                    sent=None if mine is None else mine[0],
                    received=None if other is None else other[0],
                    differs=tag != "equal" and not alone,
                    mptcp=any(line is not None and line[1] for line in (mine, other)),
                )
            )
    return rows


def _lines(packet: Mapping[str, Any] | None) -> list[tuple[str, bool]]:
    """Return one line per option, runs of NOPs as one."""
    if packet is None:
        return []
    lines = []
    for (name, text), run in groupby(packet["options"], key=lambda o: (o["name"], o["text"])):
        same = list(run)
        times = f" ×{len(same)}" if len(same) > 1 else ""  # noqa: RUF001 - the multiplication sign
        lines.append((f"{name} {text}".strip() + times, bool(same[0]["mptcp"])))
    return lines


def _payload(sent: Mapping[str, Any] | None, received: Mapping[str, Any] | None) -> list[Row]:
    """Return the bytes around the first difference, sixteen per line."""
    if sent is None or received is None or not sent["payload"] or not received["payload"]:
        return []
    left, right = (bytes.fromhex(p["payload"]["hex"]) for p in (sent, received))
    first = sent["payload"]["offset"]
    return [
        Row(
            name=f"+{first + place}",
            sent=_hex(left[place : place + _HEX_COLUMNS]),
            received=_hex(right[place : place + _HEX_COLUMNS]),
            differs=left[place : place + _HEX_COLUMNS] != right[place : place + _HEX_COLUMNS],
        )
        for place in range(0, max(len(left), len(right)), _HEX_COLUMNS)
    ]


def _hex(data: bytes) -> str:
    shown = "".join(chr(b) if 0x20 <= b < 0x7F else "·" for b in data)  # noqa: PLR2004 - printable ASCII
    return f"{data.hex(' ')}  {shown}"
