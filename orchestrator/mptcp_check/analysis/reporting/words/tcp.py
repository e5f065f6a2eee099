"""What is said of behaviours that touch TCP and IP in general: none breaks Multipath TCP."""

from collections.abc import Mapping
from typing import Final

from mptcp_check.analysis.reporting.words.shape import BehaviourWords, Tone

BEHAVIOURS: Final[Mapping[str, BehaviourWords]] = {
    "mss_clamped": BehaviourWords(
        title="Maximum segment size lowered",
        short="lowered the maximum segment size",
        happened=(
            "The SYN of the {sender} announced a larger segment size than the one that reached the"
            " {receiver}."
        ),
        means=(
            "Harmless to Multipath TCP: segments become smaller so that they fit a tunnel (RFC"
            " 9293, section 3.7.1)."
        ),
        advice="Nothing to do: this is how VPNs and DSL lines keep packets from being lost.",
        tone=Tone.QUIET,
    ),
    "tcp_option_removed": BehaviourWords(
        title="A TCP option removed",
        short="removed a TCP option other than MPTCP",
        happened=(
            "A segment left the {sender} with a TCP option and reached the {receiver} without it."
        ),
        means=(
            "Harmless to Multipath TCP, but not to speed: without timestamps, window scaling or"
            " selective acknowledgements long paths are slow (RFC 7323, RFC 2018)."
        ),
        advice="Ask who runs the firewall to let the standard TCP options pass.",
        tone=Tone.NOTE,
    ),
    "tcp_option_altered": BehaviourWords(
        title="A TCP option changed",
        short="changed a TCP option other than MPTCP",
        happened=(
            "A TCP option left the {sender} with one content and reached the {receiver} with"
            " another."
        ),
        means="Harmless to Multipath TCP (RFC 9293, section 3.1).",
        advice="Look for a firewall that normalises TCP; nothing to do if transfers are fast.",
        tone=Tone.QUIET,
    ),
    "unknown_option_removed": BehaviourWords(
        title="Unknown TCP options removed",
        short="removed TCP options that it does not know",
        happened=(
            "An option of a kind that no standard names left the {sender} and did not reach the"
            " {receiver}."
        ),
        means=(
            "Multipath TCP is such an option to old boxes: what removes the one often removes the"
            " other, and new protocols cannot be deployed on this path (RFC 9293, section 3.1)."
        ),
        advice="Ask who runs the firewall to let unknown TCP options pass.",
        tone=Tone.NOTE,
    ),
    "unknown_option_echoed": BehaviourWords(
        title="Unknown TCP options returned",
        short="returned TCP options that it does not know",
        happened=(
            "The SYN/ACK that reached the {receiver} carries an option of its own SYN that the"
            " {sender} did not send."
        ),
        means=(
            "A box that echoes what it does not know makes servers look as if they spoke a"
            " protocol that they do not (RFC 9293, section 3.1)."
        ),
        advice="Nothing to do; do not trust scans through this path.",
        tone=Tone.QUIET,
    ),
    "unknown_option_dropped": BehaviourWords(
        title="Segments with unknown TCP options dropped",
        short="dropped segments with TCP options that it does not know",
        happened=(
            "Segments with an option of an unknown kind left the {sender} and never reached the"
            " {receiver}; those without passed."
        ),
        means=(
            "New protocols time out on this path instead of falling back (RFC 9293, section 3.1:"
            " an unknown option is to be ignored)."
        ),
        advice="Ask who runs the firewall to let unknown TCP options pass.",
        tone=Tone.NOTE,
    ),
    "option_padding_sensitive": BehaviourWords(
        title="Options treated by their padding",
        short="treated segments by how their options are padded",
        happened=(
            "Segments of the {sender} with the same options in another arrangement fared"
            " differently on the way to the {receiver}."
        ),
        means=(
            "Which option a segment carries is not what decides: a kernel that pads its options in"
            " another way may pass or fail (RFC 9293, section 3.1)."
        ),
        advice="This is a defect of a box on the path. Report it with the two segments below.",
        tone=Tone.NOTE,
    ),
    "window_altered": BehaviourWords(
        title="Receive window changed",
        short="changed the receive window",
        happened=(
            "The window left the {sender} with one value and reached the {receiver} with another."
        ),
        means=(
            "Harmless to Multipath TCP: the box slows the other end down, or speeds it up (RFC"
            " 9293, section 3.8.6)."
        ),
        advice="Look for a traffic shaper; nothing to do if transfers are fast.",
        tone=Tone.QUIET,
    ),
    "window_scale_altered": BehaviourWords(
        title="Window scale changed",
        short="changed the window scale",
        happened=(
            "The window scale left the {sender} with one value and reached the {receiver} with"
            " another."
        ),
        means=(
            "Both ends read the same window differently: transfers are slow, or the receiver is"
            " overrun (RFC 7323, section 2)."
        ),
        advice="Ask who runs the firewall to leave the window scale alone.",
        tone=Tone.NOTE,
    ),
    "timestamp_altered": BehaviourWords(
        title="Timestamps changed",
        short="changed TCP timestamps",
        happened=(
            "The TCP timestamp left the {sender} with one value and reached the {receiver} with"
            " another."
        ),
        means=(
            "Harmless to Multipath TCP: the box hides how long the machine has been up (RFC 7323,"
            " section 3)."
        ),
        advice="Nothing to do.",
        tone=Tone.QUIET,
    ),
    "dscp_altered": BehaviourWords(
        title="DSCP changed",
        short="changed the DSCP",
        happened=(
            "The DSCP left the {sender} with one value and reached the {receiver} with another."
        ),
        means=(
            "Harmless to Multipath TCP: networks sort traffic by their own classes at their"
            " borders (RFC 2474, section 3)."
        ),
        advice="Nothing to do.",
        tone=Tone.QUIET,
    ),
    "ecn_cleared": BehaviourWords(
        title="ECN cleared",
        short="cleared ECN bits",
        happened=(
            "Packets left the {sender} marked as able to carry congestion marks and reached the"
            " {receiver} without."
        ),
        means=(
            "Harmless to Multipath TCP, but routers now have to drop packets to say that they are"
            " full (RFC 3168, section 5)."
        ),
        advice="Ask who runs the router to leave the two ECN bits alone.",
        tone=Tone.QUIET,
    ),
    "ttl_altered": BehaviourWords(
        title="TTL set anew",
        short="set the TTL anew",
        happened=(
            "Packets of one connection reached the {receiver} with a TTL that does not follow from"
            " what the {sender} sent by counting hops."
        ),
        means=(
            "Harmless to Multipath TCP: a box on the way hides how many hops lie behind it (RFC"
            " 791, section 3.1)."
        ),
        advice="Nothing to do; traceroute through this path may mislead.",
        tone=Tone.QUIET,
    ),
    "ip_id_altered": BehaviourWords(
        title="IP identification changed",
        short="changed the IP identification",
        happened=(
            "The IP identification left the {sender} with one value and reached the {receiver}"
            " with another."
        ),
        means="Harmless to Multipath TCP (RFC 6864, section 4).",
        advice="Nothing to do.",
        tone=Tone.QUIET,
    ),
    "urgent_pointer_cleared": BehaviourWords(
        title="Urgent pointer cleared",
        short="cleared the urgent pointer",
        happened=(
            "A segment left the {sender} with urgent data marked and reached the {receiver}"
            " without the mark."
        ),
        means=(
            "Harmless to Multipath TCP: firewalls do this against attacks on old systems (RFC"
            " 9293, section 3.8.5)."
        ),
        advice="Nothing to do.",
        tone=Tone.QUIET,
    ),
    "reserved_bits_cleared": BehaviourWords(
        title="Reserved header bits cleared",
        short="cleared reserved bits of the TCP header",
        happened=(
            "A segment left the {sender} with reserved bits set and reached the {receiver} without."
        ),
        means=(
            "Harmless to Multipath TCP, but new uses of these bits cannot be deployed on this path"
            " (RFC 9293, section 3.1)."
        ),
        advice="Nothing to do.",
        tone=Tone.QUIET,
    ),
    "checksum_invalid": BehaviourWords(
        title="Segments with a wrong TCP checksum",
        short="delivered segments whose TCP checksum is wrong",
        happened=(
            "A segment left the {sender} with a right TCP checksum and reached the {receiver} with"
            " a wrong one."
        ),
        means=(
            "The {receiver} drops such segments, as it must; the data is sent again (RFC 9293,"
            " section 3.1). If all are wrong, nothing works."
        ),
        advice=(
            "Bad memory or a defect in a box on the path, or a rewriting box that forgets the"
            " checksum. Report it with the segments below."
        ),
        tone=Tone.NOTE,
    ),
}
