"""A middlebox changes the receive window."""

from typing import Final

from mptcp_check.analysis.field_changes import FieldRule, anything, differing, judge
from mptcp_check.analysis.pairing.paired import Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "window_altered"

RULE: Final = FieldRule(
    column="window",
    agreeing=True,
    relevant=anything,
    changed=differing,
    nothing="no segment is in both captures",
    sentence=(
        "the window field left the {sender} as {before} and reached the {receiver} as {after};"
        " {segments} so"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment arrived with another window than it was sent with.

    RFC 9293, section 3.8.6.  Values are those of the header, not scaled.

    Limits: where a stream was resized, nothing is said of the end that acknowledges it.  Two of its
    ACKs in a row, as far apart as the stream has grown, are each other's likeness after the box
    has moved the later one's number; only the windows differ.

    Returns:
        See `field_changes.judge`.
    """
    verdict = Verdict(ID, connection)
    comparable = connection.comparable_lanes
    lanes = [(s, lane) for s, lane in comparable if not _acknowledged(s, lane).resized]
    if comparable and not lanes:
        return verdict.not_measured("both streams were resized: their ACKs are not told apart")
    return judge(verdict, connection, RULE, lanes=lanes)


def _acknowledged(subflow: PairedSubflow, lane: Lane) -> Lane:
    """Return the lane whose bytes a lane's segments acknowledge."""
    return next(other for other in subflow.lanes.values() if other is not lane)
