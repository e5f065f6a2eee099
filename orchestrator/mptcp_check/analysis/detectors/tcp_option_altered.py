"""A middlebox changes a TCP option other than MPTCP."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import KIND_MPTCP
from mptcp_check.analysis.option_changes import judge
from mptcp_check.analysis.pairing.crossed_headers import OptionsBeforeAfter
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "tcp_option_altered"

_MSS, _WINDOW_SCALE, _SACK, _TIMESTAMPS = 2, 3, 5, 8
_OWN_BEHAVIOUR: Final = frozenset({_WINDOW_SCALE, _TIMESTAMPS, KIND_MPTCP})
"""Changes of these have identifiers of their own."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether an option arrived with another content than it was sent with.

    RFC 9293, section 3.1.  A maximum segment size counts where it grew (`mss_clamped` is the other
    way), SACK where its length changed: its numbers move with rewritten sequence numbers.  Window
    scale and timestamps have behaviours of their own.

    Returns:
        See `option_changes.judge`.
    """
    return judge(
        Verdict(ID, connection),
        connection,
        kinds=lambda kind: kind not in _OWN_BEHAVIOUR,
        change=_altered,
        nothing="no segment with such an option is in both captures",
        verb="arrived with another content",
    )


def _altered(kind: int, rows: OptionsBeforeAfter) -> Column:
    both = (rows.before_bytes >= 0) & (rows.after_bytes >= 0)
    if kind == _SACK:
        return np.asarray(both & (rows.before_bytes != rows.after_bytes))
    changed = np.asarray(both & rows.differ)
    if kind == _MSS:
        for at in np.flatnonzero(changed).tolist():
            changed[at] = rows.after(at) > rows.before(at)  # same length: the larger number
    return changed
