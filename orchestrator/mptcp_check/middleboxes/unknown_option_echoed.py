"""TCP options of a SYN that the box does not know come back in the SYN/ACK.

Real boxes: mirrors in front of some large sites, which return whatever option a scanner sends
(blog.multipath-tcp.org, 27 October 2015).

Linux 6.18: no consequence for MPTCP when the box knows option 30; if it does not, this is
``mptcp_option_echoed``.
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.echoing import OptionEchoer
from mptcp_check.middleboxes.options_edit import ASSIGNED_KINDS, Removal, check_kinds, not_of_kind
from mptcp_check.middleboxes.scope import EVERYTHING, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is known."""

    known: frozenset[int] = ASSIGNED_KINDS
    """Kinds the box knows; by default those IANA has assigned, MPTCP too, experiments not."""
    strip_from_syn: bool = False
    """Whether the SYN loses the options, so that the server does not see them."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_kinds(self.known - {0, 1})


DEFAULT = Parameters()


class UnknownOptionEchoed(OptionEchoer):
    """Returns unknown options of a SYN in its SYN/ACK."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        strip = Removal.NOP if parameters.strip_from_syn else None
        super().__init__(parameters.scope, not_of_kind(parameters.known), strip)
