"""Every text a person reads about a diagnosis, in one place: data, ready for translation.

Names in braces are filled in with `str.format`; a translation keeps them.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mptcp_check.model import Direction, Outcome, State


class Tone(enum.StrEnum):
    """How news is coloured; a symbol and a word always say the same."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeWords:
    """How an outcome is shown."""

    label: str
    symbol: str
    tone: Tone
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourWords:
    """What is said of a behaviour that was seen."""

    title: str
    short: str
    """Completes 'Between the two machines something ...', for the closing sentence."""
    happened: str
    """What happened and where; ``{sender}``, ``{receiver}`` are the two machines."""
    means: str
    """What it means for Multipath TCP, with the RFC's section."""
    advice: str
    """What the user can do."""
    tone: Tone


OUTCOMES: Final[Mapping[Outcome, OutcomeWords]] = {
    Outcome.MPTCP: OutcomeWords(
        label="Multipath TCP",
        symbol="✓",
        tone=Tone.GOOD,
        meaning="Multipath TCP worked on every path that was asked for.",
    ),
    Outcome.MPTCP_DEGRADED: OutcomeWords(
        label="Multipath TCP, fewer paths",
        symbol="◐",
        tone=Tone.NOTE,
        meaning="Multipath TCP worked, but a subflow or an address was lost.",
    ),
    Outcome.FELL_BACK_AT_HANDSHAKE: OutcomeWords(
        label="fell back at the handshake",
        symbol="↓",
        tone=Tone.NOTE,
        meaning="Plain TCP from the start; the data arrived whole.",
    ),
    Outcome.FELL_BACK_AT_FIRST_DATA: OutcomeWords(
        label="fell back at the first data",
        symbol="↓",
        tone=Tone.NOTE,
        meaning="Plain TCP from the first data on; the data arrived whole.",
    ),
    Outcome.FELL_BACK_MIDSTREAM: OutcomeWords(
        label="fell back in mid-stream",
        symbol="↓",
        tone=Tone.NOTE,
        meaning="Multipath TCP at first, then plain TCP; the data arrived whole.",
    ),
    Outcome.CORRUPTED: OutcomeWords(
        label="corrupted",
        symbol="✗",
        tone=Tone.BAD,
        meaning="The bytes that were delivered differ from the bytes that were sent.",
    ),
    Outcome.HUNG: OutcomeWords(
        label="hung",
        symbol="✗",
        tone=Tone.BAD,
        meaning="The transfer stopped and did not end before its deadline.",
    ),
    Outcome.REFUSED: OutcomeWords(
        label="refused",
        symbol="✗",
        tone=Tone.BAD,
        meaning="The connection was refused or reset.",
    ),
    Outcome.TIMED_OUT: OutcomeWords(
        label="timed out",
        symbol="✗",
        tone=Tone.BAD,
        meaning="No connection came about before the deadline.",
    ),
    Outcome.UNREACHABLE: OutcomeWords(
        label="unreachable",
        symbol="○",
        tone=Tone.QUIET,
        meaning="The control over plain TCP failed too: not Multipath TCP's fault.",
    ),
    Outcome.NOT_MEASURED: OutcomeWords(
        label="not measured",
        symbol="?",
        tone=Tone.QUIET,
        meaning="Nothing can be said.",
    ),
    Outcome.TCP: OutcomeWords(
        label="plain TCP (control)",
        symbol="·",
        tone=Tone.QUIET,
        meaning="The control over plain TCP worked.",
    ),
}

STATES: Final[Mapping[State, str]] = {
    State.SEEN: "seen",
    State.NOT_SEEN: "not seen",
    State.NOT_MEASURED: "not measured",
}

DIRECTIONS: Final[Mapping[Direction, str]] = {
    Direction.C2S: "client to server",
    Direction.S2C: "server to client",
    Direction.BOTH: "both directions",
}

BEHAVIOURS: Final[Mapping[str, BehaviourWords]] = {
    "mp_capable_removed_from_syn": BehaviourWords(
        title="MP_CAPABLE removed from the SYN",
        short="removed MP_CAPABLE from the SYN",
        happened=(
            "The SYN left the {sender} with the MP_CAPABLE option and reached the {receiver}"
            " without it."
        ),
        means=(
            "The {receiver} never learns that Multipath TCP was asked for, and answers in plain"
            " TCP: one path, no failover, no aggregation (RFC 8684, section 3.7)."
        ),
        advice=(
            "Look for a firewall, a load balancer or a mobile operator's proxy that clears unknown"
            " TCP options, and allow option kind 30 there. Try another port: some boxes only"
            " touch ports 80 and 443."
        ),
        tone=Tone.NOTE,
    ),
    "mp_capable_removed_from_synack": BehaviourWords(
        title="MP_CAPABLE removed from the SYN/ACK",
        short="removed MP_CAPABLE from the SYN/ACK",
        happened=(
            "The SYN/ACK left the {sender} with the MP_CAPABLE option and reached the {receiver}"
            " without it."
        ),
        means=(
            "The {receiver} takes the {sender} for a plain TCP host. Both fall back: one path, no"
            " failover, no aggregation (RFC 8684, section 3.7)."
        ),
        advice=(
            "The box treats the two directions differently: look at the rules for what enters the"
            " {receiver}'s network, and allow TCP option kind 30 in SYN/ACKs."
        ),
        tone=Tone.NOTE,
    ),
    "mp_capable_syn_dropped": BehaviourWords(
        title="SYNs with MP_CAPABLE dropped",
        short="dropped every SYN that carried MP_CAPABLE",
        happened=(
            "SYNs with the MP_CAPABLE option left the {sender} and never reached the {receiver};"
            " a plain SYN did."
        ),
        means=(
            "Every connection waits for its SYNs to be sent again before it falls back to plain TCP"
            " (about three seconds on Linux), and Linux then stops trying Multipath TCP for an hour"
            " (RFC 8684, section 3.7)."
        ),
        advice=(
            "Ask who runs the firewall to let TCP option kind 30 pass, or at least to remove it"
            " instead of dropping the SYN. Until then Multipath TCP costs seconds on this path."
        ),
        tone=Tone.BAD,
    ),
    "mp_join_removed": BehaviourWords(
        title="MP_JOIN removed",
        short="removed MP_JOIN from the handshake of a further subflow",
        happened=(
            "A segment of a further subflow's handshake left the {sender} with MP_JOIN and reached"
            " the {receiver} without it."
        ),
        means=(
            "The further subflow cannot join; the connection goes on over its first path alone"
            " (RFC 8684, section 3.2)."
        ),
        advice=(
            "Look at what lies on the second path only: the first one carried Multipath TCP. Allow"
            " TCP option kind 30 there."
        ),
        tone=Tone.NOTE,
    ),
    "payload_altered": BehaviourWords(
        title="Payload changed on the way",
        short="changed the data itself",
        happened=(
            "Bytes reached the {receiver} that are not the bytes the {sender} sent, at the same"
            " place and with the same length."
        ),
        means=(
            "Without DSS checksums the wrong bytes are delivered and nobody notices. With them the"
            " receiver sends MP_FAIL and gives the subflow up or falls back (RFC 8684, section"
            " 3.7)."
        ),
        advice=(
            "Look for an application gateway (FTP, SIP), a 'transparent' cache or a content filter"
            " for this port. Encrypt (TLS), or set net.mptcp.checksum_enabled=1 on both ends."
        ),
        tone=Tone.BAD,
    ),
    "address_translated": BehaviourWords(
        title="Addresses or ports translated (NAT)",
        short="translated addresses or ports",
        happened=(
            "Segments left the {sender} with other addresses or ports than those with which they"
            " reached the {receiver}."
        ),
        means=(
            "Harmless: Multipath TCP names connections by token and addresses by identifier, not by"
            " what the packets carry (RFC 8684, sections 2.2 and 3.2)."
        ),
        advice="Nothing to do. Servers cannot open subflows towards addresses behind the NAT.",
        tone=Tone.QUIET,
    ),
}
"""Words for every behaviour that has a detector; a test compares the two."""

TRANSLATED_ONLY: Final = "address_translated"
"""The behaviour that is reported and is no bad news."""

NO_DETECTOR: Final = "no detector in this version"

MACHINES: Final = {"client": "client", "server": "server"}
"""How the two machines are called in sentences."""

SUMMARY: Final[Mapping[str, str]] = {
    "nothing": "Nothing was measured: {reason}.",
    "no_exchange": "nothing tried to use Multipath TCP",
    "clean": (
        "Multipath TCP worked{paths} in {count}; the path changed nothing that this version"
        " looks for."
    ),
    "clean_nat": "Multipath TCP worked{paths} in {count}; the path only translated addresses.",
    "cause_fallback": (
        "Between the two machines something {what}, so {count} fell back to plain TCP;"
        " the data arrived whole."
    ),
    "cause_degraded": (
        "Between the two machines something {what}, so {count} went on with fewer paths;"
        " the data arrived whole."
    ),
    "cause_bad": "Between the two machines something {what}: {count} {verb}.",
    "cause_only": "Between the two machines something {what}, seen in {count}.",
    "unexplained": "{count} {verb}, and the rules of this version do not say why.",
    "ports_bad": "This concerns {ports}.",
    "ports_clean": "{ports} {are} clean.",
    "unreachable": "{count} failed over plain TCP as well: that is not Multipath TCP's fault.",
    "not_measured": "{count} could not be measured.",
    "doubts": (
        "In {count} the kernels' counters or the hashes do not fit the packets; the report says"
        " where."
    ),
    "one_sided": (
        "There was only one capture: what the path did can be told apart from what the other"
        " machine did only with a capture of each end."
    ),
}

VERBS: Final[Mapping[Outcome, str]] = {
    Outcome.MPTCP: "ran over Multipath TCP",
    Outcome.MPTCP_DEGRADED: "ran over fewer paths than asked for",
    Outcome.FELL_BACK_AT_HANDSHAKE: "fell back to plain TCP at the handshake",
    Outcome.FELL_BACK_AT_FIRST_DATA: "fell back to plain TCP at the first data",
    Outcome.FELL_BACK_MIDSTREAM: "fell back to plain TCP in mid-stream",
    Outcome.CORRUPTED: "delivered wrong bytes",
    Outcome.HUNG: "hung",
    Outcome.REFUSED: "were refused",
    Outcome.TIMED_OUT: "timed out",
    Outcome.UNREACHABLE: "failed over plain TCP too",
    Outcome.NOT_MEASURED: "could not be measured",
    Outcome.TCP: "ran over plain TCP",
}
