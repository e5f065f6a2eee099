"""What is said of behaviours that touch the data of a connection."""

from collections.abc import Mapping
from typing import Final

from mptcp_check.analysis.reporting.words.shape import BehaviourWords, Tone

BEHAVIOURS: Final[Mapping[str, BehaviourWords]] = {
    "mptcp_option_removed_from_data": BehaviourWords(
        title="Options removed from everything but SYNs",
        short="removed the MPTCP options from all segments after the SYNs",
        happened=(
            "The handshake kept its options, but segments that left the {sender} with an MPTCP"
            " option reached the {receiver} without it, from the first one on."
        ),
        means=(
            "Both ends take the first data without an option for a sign of such a box and go on in"
            " plain TCP: one path, no failover (RFC 8684, section 3.7)."
        ),
        advice=(
            "Look for a firewall or a proxy that clears unknown options once a connection is open,"
            " and allow option kind 30 in all segments."
        ),
        tone=Tone.NOTE,
    ),
    "mptcp_option_removed_midstream": BehaviourWords(
        title="Options removed in mid-stream",
        short="began to remove the MPTCP options in the middle of the connection",
        happened=(
            "MPTCP options passed at first; from some segment on they left the {sender} and no"
            " longer reached the {receiver}."
        ),
        means=(
            "With one subflow the connection goes on in plain TCP. With two, both are reset and"
            " the application hangs: there is no way back to one stream (RFC 8684, section 3.7)."
        ),
        advice=(
            "Something on the path changed its mind: a route that moved to another firewall, or"
            " one that looks into a connection only after some packets. Make all of them let option"
            " kind 30 pass."
        ),
        tone=Tone.BAD,
    ),
    "mptcp_data_dropped": BehaviourWords(
        title="Data with MPTCP options dropped",
        short="dropped data that carried MPTCP options",
        happened=(
            "Segments with data and an MPTCP option left the {sender} and never reached the"
            " {receiver}, however often they were sent; segments without data or option passed."
        ),
        means=(
            "The connection opens and then hangs. Multipath TCP does not fall back, since it"
            " cannot tell this from loss (RFC 8684, section 3.7)."
        ),
        advice=(
            "Until the box is mended, switch Multipath TCP off on this network. Ask who runs the"
            " firewall on this path to let TCP option kind 30 pass."
        ),
        tone=Tone.BAD,
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
    "payload_resized": BehaviourWords(
        title="Payload made longer or shorter",
        short="changed the length of the data",
        happened=(
            "What reached the {receiver} is longer or shorter than what the {sender} sent: bytes"
            " were put in or taken out in mid-stream."
        ),
        means=(
            "From there on every mapping points to the wrong bytes. Without DSS checksums the"
            " connection hangs, or with two subflows delivers wrong data without an error; with"
            " checksums the subflow is given up or the connection falls back (RFC 8684, sections"
            " 3.3.1 and 3.7)."
        ),
        advice=(
            "This is an application gateway (FTP, SIP, IRC): switch it off for this port, use the"
            " encrypted form of the protocol, or set net.mptcp.checksum_enabled=1 at both ends."
        ),
        tone=Tone.BAD,
    ),
    "segments_split": BehaviourWords(
        title="Segments split",
        short="split segments",
        happened="Single segments of the {sender} reached the {receiver} as two or more.",
        means=(
            "Harmless as long as the first piece keeps the mapping or all have it; where it goes"
            " to a later piece the data before it has none, and the connection falls back to plain"
            " TCP (RFC 8684, section 3.3)."
        ),
        advice=(
            "Nothing to do if Multipath TCP worked. Otherwise look for a box that re-segments TCP:"
            " offloads of a virtual switch, a PEP, a VPN."
        ),
        tone=Tone.QUIET,
    ),
    "segments_coalesced": BehaviourWords(
        title="Segments merged",
        short="merged segments",
        happened="Several segments of the {sender} reached the {receiver} as one.",
        means=(
            "One merged segment has room for one mapping: data of the others arrives without"
            " theirs. Linux falls back to plain TCP, and with two subflows resets that one (RFC"
            " 8684, section 3.3)."
        ),
        advice=(
            "Look for receive offload (GRO, LRO) on a router or virtual switch, or for a proxy"
            " that re-segments TCP; switch it off there."
        ),
        tone=Tone.NOTE,
    ),
    "sequence_numbers_rewritten": BehaviourWords(
        title="Sequence numbers rewritten",
        short="rewrote sequence numbers",
        happened=(
            "Sequence numbers reached the {receiver} that differ by a constant from those the"
            " {sender} used."
        ),
        means=(
            "Harmless: mappings count from the subflow's first sequence number for this very"
            " reason (RFC 8684, section 3.3.1)."
        ),
        advice=(
            "Nothing to do. It is a firewall that hides weak initial sequence numbers; make sure"
            " that it translates SACK blocks too."
        ),
        tone=Tone.QUIET,
    ),
    "acked_by_middlebox": BehaviourWords(
        title="Data acknowledged on the way",
        short="acknowledged data before it had arrived",
        happened="Acknowledgements reached the {receiver} that the {sender} never sent.",
        means=(
            "Harmless to Multipath TCP: data counts as delivered only by its data-level"
            " acknowledgement (RFC 8684, section 3.3.2). Round-trip times measured on this path are"
            " those to the box."
        ),
        advice=(
            "Nothing to do. It is a performance-enhancing proxy, as satellite and mobile networks"
            " have them."
        ),
        tone=Tone.QUIET,
    ),
    "retransmission_altered": BehaviourWords(
        title="Retransmissions arrived with other bytes",
        short="replaced the bytes of retransmissions",
        happened=(
            "The {sender} sent some bytes again, and what reached the {receiver} for them is not"
            " what was sent."
        ),
        means=(
            "Two versions of the same bytes exist, and which one is delivered depends on chance."
            " Without DSS checksums nobody notices (RFC 8684, section 3.3.1)."
        ),
        advice=(
            "Look for a box that keeps copies of segments and answers retransmissions itself (a"
            " normaliser, an intrusion prevention system). Encrypt, or set"
            " net.mptcp.checksum_enabled=1."
        ),
        tone=Tone.BAD,
    ),
    "hole_blocked": BehaviourWords(
        title="Data after a hole held back",
        short="held data back until a gap before it was filled",
        happened=(
            "Segments after a lost one left the {sender} and reached the {receiver} only when the"
            " lost one had been sent again."
        ),
        means=(
            "Loss costs more than it should, and a subflow that skips bytes which another path"
            " carried would stall: Multipath TCP sends every byte on the subflow it promised it to,"
            " for this reason (RFC 8684, section 3.3)."
        ),
        advice=(
            "Nothing that the user can do. It is a box that reassembles the stream before it lets"
            " it pass."
        ),
        tone=Tone.QUIET,
    ),
    "ack_hole_altered": BehaviourWords(
        title="Acknowledgements dropped or changed",
        short="dropped or changed acknowledgements for data that it had not seen",
        happened=(
            "Acknowledgements left the {sender} and reached the {receiver} with another number or"
            " not at all, where data had taken another way."
        ),
        means=(
            "Harmless while each subflow acknowledges only its own bytes, as Multipath TCP does"
            " for this reason (RFC 8684, section 3.3)."
        ),
        advice="Nothing to do.",
        tone=Tone.QUIET,
    ),
}
