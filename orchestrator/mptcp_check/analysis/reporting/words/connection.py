"""What is said of behaviours that touch a connection as a whole."""

from collections.abc import Mapping
from typing import Final

from mptcp_check.analysis.reporting.words.shape import BehaviourWords, Tone

BEHAVIOURS: Final[Mapping[str, BehaviourWords]] = {
    "connection_proxied": BehaviourWords(
        title="The connection ends at a proxy",
        short="ended the connection in the middle and opened another one to the server",
        happened=(
            "What the {sender} opened and what reached the {receiver} are two TCP connections with"
            " sequence numbers and options of their own."
        ),
        means=(
            "A proxy speaks plain TCP in both directions: one path, no failover, and the data is"
            " in its hands (RFC 8684, section 3.7)."
        ),
        advice=(
            "Look for a transparent proxy, a SYN proxy, a load balancer, or the user-mode NAT of a"
            " hypervisor (choose a bridged network there). Another port may go round it."
        ),
        tone=Tone.NOTE,
    ),
    "reset_injected": BehaviourWords(
        title="A RST was injected",
        short="sent a RST that neither end sent",
        happened="A RST reached the {receiver} that the {sender} never sent.",
        means=(
            "That subflow is gone. With another subflow the connection goes on; with this one"
            " alone the application may hang where plain TCP would fail at once (RFC 8684, section"
            " 3.6)."
        ),
        advice=(
            "Look for a firewall, a censor or a content filter that ends connections it does not"
            " like, and for a NAT that forgot the connection."
        ),
        tone=Tone.BAD,
    ),
    "path_blackholed": BehaviourWords(
        title="The path went dead",
        short="stopped forwarding in the middle of the connection",
        happened=(
            "From some time on nothing that the {sender} sent on this path reached the {receiver},"
            " without an error."
        ),
        means=(
            "With a second subflow the connection goes on after a stall of some seconds; with this"
            " one alone it hangs (RFC 8684, section 3.3.6)."
        ),
        advice=(
            "A NAT or firewall that drops its state, or a radio that lost its network, looks like"
            " this. Keep a second path open."
        ),
        tone=Tone.BAD,
    ),
}
