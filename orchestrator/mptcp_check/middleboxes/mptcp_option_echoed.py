"""The client's own MP_CAPABLE comes back in the SYN/ACK, as if the server had said it.

Real boxes: some that echo every option they do not know, in front of large sites: a scan of 2015
first took them for Multipath TCP servers, and told them by the scanner's own key that they return
(blog.multipath-tcp.org, 27 October 2015).

Linux 6.18: the answer's four bytes are no MP_CAPABLE of a SYN/ACK, which has twelve, so the client
goes on as plain TCP and counts ``MPTcpExtMPCapableFallbackSYNACK``.  A server that got the option
falls back at the third ACK and counts ``MPTcpExtMPCapableFallbackACK`` (measured; RFC 8684,
section 3.1).  With version 0 the echo has the length of an answer, and the client's own key
(RFC 6824, section 3.1).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.echoing import OptionEchoer
from mptcp_check.middleboxes.options_edit import MP_CAPABLE, Removal, mptcp
from mptcp_check.middleboxes.scope import EVERYTHING, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Whether the server learns of the option."""

    strip_from_syn: bool = True
    """Whether the SYN loses the option; with no, the server's own answer is replaced."""
    removal: Removal = Removal.NOP
    """How the SYN loses it."""
    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class MptcpOptionEchoed(OptionEchoer):
    """Returns MP_CAPABLE of a SYN in its SYN/ACK."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        strip = parameters.removal if parameters.strip_from_syn else None
        super().__init__(parameters.scope, mptcp(MP_CAPABLE), strip)
