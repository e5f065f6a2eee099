"""What is said of behaviours that touch the opening of a connection."""

from collections.abc import Mapping
from typing import Final

from mptcp_check.analysis.reporting.words.shape import BehaviourWords, Tone

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
    "mp_capable_synack_dropped": BehaviourWords(
        title="SYN/ACKs with MP_CAPABLE dropped",
        short="dropped every SYN/ACK that carried MP_CAPABLE",
        happened=(
            "SYN/ACKs with the MP_CAPABLE option left the {sender} and never reached the"
            " {receiver}."
        ),
        means=(
            "The connection never opens: when the client falls back and sends a plain SYN, the"
            " server still answers the first one, with MP_CAPABLE, and that answer is dropped as"
            " well. Plain TCP connections work (RFC 8684, section 3.7, did not foresee it)."
        ),
        advice=(
            "Until the box is mended, switch Multipath TCP off for this server or this network"
            " (mptcpize off, or net.mptcp.enabled=0). Ask who runs the firewall on this path to let"
            " TCP option kind 30 pass."
        ),
        tone=Tone.BAD,
    ),
    "mp_capable_syn_reset": BehaviourWords(
        title="SYNs with MP_CAPABLE answered with a RST",
        short="answered SYNs that carried MP_CAPABLE with a RST",
        happened=(
            "The {sender} sent a SYN with the MP_CAPABLE option and got a RST that the {receiver}"
            " never sent; the SYN did not arrive there."
        ),
        means=(
            "The application is told 'connection refused' at once: a RST is no reason to try again"
            " without the option (RFC 8684, section 3.7)."
        ),
        advice=(
            "Look for a firewall or an intrusion prevention system that rejects unknown TCP"
            " options, and allow option kind 30. Until then switch Multipath TCP off on this"
            " network."
        ),
        tone=Tone.BAD,
    ),
    "mptcp_option_echoed": BehaviourWords(
        title="The client's own option came back",
        short="returned the client's own MP_CAPABLE option as if the server had sent it",
        happened=(
            "The SYN/ACK that reached the {receiver} carries the very bytes of its own MP_CAPABLE"
            " option; the {sender} did not send them."
        ),
        means=(
            "The {receiver} sees that this is no answer of a server and falls back to plain TCP. A"
            " careless scanner would count this server as one that speaks Multipath TCP (RFC 8684,"
            " section 3.1)."
        ),
        advice=(
            "Look for a proxy or a load balancer that copies TCP options it does not know into its"
            " answers. Nothing is lost but Multipath TCP."
        ),
        tone=Tone.NOTE,
    ),
    "mp_capable_key_altered": BehaviourWords(
        title="A key of the connection was changed",
        short="changed a key in MP_CAPABLE",
        happened=(
            "The key in MP_CAPABLE left the {sender} with one value and reached the {receiver}"
            " with another."
        ),
        means=(
            "The two ends compute different tokens and data sequence numbers: data is sent again"
            " for ever, and every further subflow is answered with a RST. Nothing falls back (RFC"
            " 8684, sections 3.1 and 3.2)."
        ),
        advice=(
            "This is a defect, or an attack on the path. Switch Multipath TCP off on this network"
            " and report it to who runs the network."
        ),
        tone=Tone.BAD,
    ),
    "long_options_dropped": BehaviourWords(
        title="Segments with long TCP options dropped",
        short="dropped segments whose TCP options are long",
        happened=(
            "Segments of the {sender} with more option bytes than some limit never reached the"
            " {receiver}; those with fewer did, Multipath TCP or not."
        ),
        means=(
            "A SYN with MP_CAPABLE is longer than most: it vanishes for its size, not for its"
            " kind. The connection waits for a plain SYN or does not open at all (RFC 9293, section"
            " 3.1, allows 40 bytes)."
        ),
        advice=(
            "Look for a firewall that limits the length of TCP headers, and raise the limit to 60"
            " bytes."
        ),
        tone=Tone.BAD,
    ),
}
