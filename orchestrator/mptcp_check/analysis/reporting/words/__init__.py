"""Every text a person reads about a diagnosis, in one place: data, ready for translation.

Names in braces are filled in with `str.format`; a translation keeps them.
"""

from collections.abc import Mapping
from typing import Final

from mptcp_check.analysis.reporting.words import connection, data, handshake, subflows, tcp
from mptcp_check.analysis.reporting.words.shape import BehaviourWords, OutcomeWords, Tone
from mptcp_check.model import Direction, Outcome, State

__all__ = ["BehaviourWords", "OutcomeWords", "Tone"]

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
    Outcome.UNSTABLE: OutcomeWords(
        label="unstable",
        symbol="~",
        tone=Tone.NOTE,
        meaning="It was tried several times, and went differently each time.",
    ),
    Outcome.TCP_BROKE: OutcomeWords(
        label="plain TCP broke (control)",
        symbol="·",
        tone=Tone.QUIET,
        meaning="Plain TCP did not survive the loss of its path, as was to be expected.",
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
    **handshake.BEHAVIOURS,
    **subflows.BEHAVIOURS,
    **data.BEHAVIOURS,
    **connection.BEHAVIOURS,
    **tcp.BEHAVIOURS,
}
"""Words for every behaviour of the catalogue; a test compares the two."""

HARMLESS: Final = frozenset(
    behaviour for behaviour, known in BEHAVIOURS.items() if known.tone is Tone.QUIET
)
"""Behaviours that are reported and explain no failure."""

MACHINES: Final = {"client": "client", "server": "server"}
"""How the two machines are called in sentences."""

SUMMARY: Final[Mapping[str, str]] = {
    "nothing": "Nothing was measured: {reason}.",
    "no_exchange": "nothing tried to use Multipath TCP",
    "clean": (
        "Multipath TCP worked{paths} in {count}; the path changed nothing that this version"
        " looks for."
    ),
    "clean_but": "Multipath TCP worked{paths} in {count}; the path only {what}.",
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
    "handover": (
        "When the first path went away in mid-transfer, Multipath TCP went on over the other one"
        " after {mptcp_s:.1f} s at most"
    ),
    "handover_tcp": "; plain TCP {tcp}",
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
    Outcome.UNSTABLE: "went differently when tried again",
    Outcome.TCP_BROKE: "did not survive over plain TCP",
}

SHORT: Final[Mapping[Outcome, str]] = {
    Outcome.MPTCP_DEGRADED: "fewer",
    Outcome.FELL_BACK_AT_HANDSHAKE: "TCP",
    Outcome.FELL_BACK_AT_FIRST_DATA: "TCP",
    Outcome.FELL_BACK_MIDSTREAM: "TCP",
    Outcome.UNSTABLE: "varies",
    Outcome.CORRUPTED: "changed",
    Outcome.HUNG: "hung",
    Outcome.REFUSED: "refused",
    Outcome.TIMED_OUT: "no reply",
    Outcome.UNREACHABLE: "no TCP",
    Outcome.NOT_MEASURED: "unknown",
}
"""What a cell of a table has room for, where something did not go as it should."""

JOININGS: Final[Mapping[str, str]] = {
    "backup": "backup",
    "signal": "announced by the server",
    "other_family": "IPv4 and IPv6 at once",
}
"""How further subflows came about, where the client did not simply open them."""

UPSETS: Final[Mapping[str, str]] = {
    "interface_down": "Interface down and up",
    "address_removed": "Address removed and added",
    "path_lost": "Path lost everything",
}
"""What was done to the first path."""
