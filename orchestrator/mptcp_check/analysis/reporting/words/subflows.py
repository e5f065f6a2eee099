"""What is said of behaviours that touch further subflows and addresses."""

from collections.abc import Mapping
from typing import Final

from mptcp_check.analysis.reporting.words.shape import BehaviourWords, Tone

BEHAVIOURS: Final[Mapping[str, BehaviourWords]] = {
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
    "mp_join_dropped": BehaviourWords(
        title="SYNs with MP_JOIN dropped",
        short="dropped the SYNs of further subflows",
        happened="SYNs with the MP_JOIN option left the {sender} and never reached the {receiver}.",
        means=(
            "The second path is never used: the SYN is sent again in vain, and the connection goes"
            " on over its first path alone (RFC 8684, section 3.2)."
        ),
        advice=(
            "Look at what lies on the second path only: a firewall there lets plain TCP pass and"
            " not option kind 30. Allow it."
        ),
        tone=Tone.NOTE,
    ),
    "mp_join_reset": BehaviourWords(
        title="SYNs with MP_JOIN answered with a RST",
        short="answered the SYNs of further subflows with a RST",
        happened=(
            "The {sender} sent a SYN with MP_JOIN and got a RST that the {receiver} never sent."
        ),
        means=(
            "The second path is never used; the connection goes on over its first path alone (RFC"
            " 8684, section 3.2)."
        ),
        advice=(
            "A firewall that follows connections takes the join for a stranger. Allow TCP option"
            " kind 30 on the second path, or let its state table ignore it."
        ),
        tone=Tone.NOTE,
    ),
    "add_addr_removed": BehaviourWords(
        title="ADD_ADDR removed",
        short="removed announcements of further addresses (ADD_ADDR)",
        happened="A segment left the {sender} with ADD_ADDR and reached the {receiver} without it.",
        means=(
            "The {receiver} never learns of the further address. Worse: the announcement travels"
            " alone in one of the first ACKs, and without its option that ACK makes the {receiver}"
            " give Multipath TCP up for the whole connection (RFC 8684, sections 3.4.1 and 3.7)."
        ),
        advice=(
            "Allow TCP option kind 30 as a whole; a box that knows its subtypes must not remove"
            " single ones. Or let the client open all subflows, and announce no addresses."
        ),
        tone=Tone.NOTE,
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
