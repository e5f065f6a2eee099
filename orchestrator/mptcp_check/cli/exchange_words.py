"""An exchange in words, and what can be said of it before its packets were looked at."""

from rich.text import Text

from mptcp_check.analysis.reporting import words
from mptcp_check.model import Exchange, Handover, Transport
from mptcp_check.watch import Glimpse


def what(exchange: Exchange) -> str:
    """Return what an exchange does, and where: ``ftp active download :21 IPv6``."""
    mode = f" {exchange.mode}" if exchange.mode else ""
    family = " IPv6" if exchange.family == "ipv6" else ""
    return f"{exchange.app}{mode} {exchange.direction} :{exchange.port}{family}"


def how(exchange: Exchange) -> str:
    """Return how an exchange is transported: ``MPTCP, 2 paths, checksum``."""
    upset = _upset_words(exchange.handover)
    if exchange.transport is Transport.TCP:
        return f"TCP{upset or ' (control)'}"
    paths = "1 path" if exchange.paths == 1 else f"{exchange.paths} paths"
    joining = words.JOININGS.get(exchange.joining.value, "") if exchange.paths > 1 else ""
    checksum = ", checksum" if exchange.checksum else ""
    return f"MPTCP, {paths}{f', {joining}' if joining else ''}{checksum}{upset}"


def _upset_words(handover: Handover | None) -> str:
    return "" if handover is None else f", {words.UPSETS[handover.upset.value].lower()}"


def glimpse_text(exchange: Exchange, glimpse: Glimpse) -> Text:
    """Return what can be said before the packets were looked at."""
    again = f", try {glimpse.attempt}" if glimpse.attempt > 1 else ""
    if not glimpse.arrived:
        return Text(f"✗ {glimpse.trouble or 'failed'}{again}", style="red")
    if exchange.transport is Transport.TCP:
        return Text(f"✓ TCP{again}", style="green")
    if not glimpse.over_mptcp:
        return Text(f"↓ fell back{again}", style="yellow")
    short = glimpse.subflow_count < exchange.paths
    plural = "s" if glimpse.subflow_count != 1 else ""
    word = f"{'!' if short else '✓'} {glimpse.subflow_count} subflow{plural}{again}"
    return Text(word, style="yellow" if short else "green")
