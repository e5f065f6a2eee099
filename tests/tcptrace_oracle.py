"""tcptrace's statistics of a capture, to hold ours against: TCP connections one by one.

`SAME` says which of our values each of its columns is; `DIFFERENT` why a column is not compared.
"""

import subprocess
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from mptcp_check.analysis.metrics.values import DirectionMetrics

Told = Callable[[DirectionMetrics], object]
Statistics = dict[str, str]
Pair = tuple[tuple[str, int], tuple[str, int]]

UNDERFLOW = 1 << 63
"""A negative number that was printed as an unsigned one."""


def connections(path: Path) -> list[tuple[Pair, Statistics, Statistics]]:
    """Return for each TCP connection its ends and what each of them sent, by tcptrace's names."""
    command = ["tcptrace", "-n", "-l", "-r", "--csv", str(path)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    rows = [
        line.split(",") for line in done.stdout.splitlines() if line and not line.startswith("#")
    ]
    if not rows:  # not even the names of the columns: there is no TCP
        return []
    heads, *cells = [[cell.strip() for cell in row] for row in rows]
    found = []
    for row in cells:
        one = dict(zip(heads, row, strict=True))
        hosts = [str(ip_address(_v6(one[f"host_{end}"]))) for end in "ab"]
        ports = [int(one[f"port_{end}"]) for end in "ab"]
        sides = [
            {
                name.removesuffix(way).replace(" ", "_"): cell
                for name, cell in one.items()
                if name.endswith(way)
            }
            for way in ("_a2b", "_b2a")
        ]
        found.append((((hosts[0], ports[0]), (hosts[1], ports[1])), sides[0], sides[1]))
    return found


def readable(octets: bytes, path: Path, wanted: str = "tcp") -> Path:
    """Write those of a capture's frames that are wanted, in a form that tcptrace knows.

    It does not know Linux's cooked captures of version 2: their headers of 20 bytes are cut off.
    """
    path.write_bytes(octets)
    chosen, plain = path.with_suffix(".chosen"), path.with_suffix(".plain")
    show = ["tshark", "-r", str(path), "-Y", wanted, "-F", "nsecpcap", "-w", str(chosen)]
    subprocess.run(show, check=True, capture_output=True)
    about = ["capinfos", "-E", str(chosen)]
    kind = subprocess.run(about, check=True, capture_output=True, text=True).stdout
    if "cooked-mode capture v2" not in kind:
        return chosen
    cut = ["editcap", "-F", "nsecpcap", "-C", "20", "-T", "rawip", str(chosen), str(plain)]
    subprocess.run(cut, check=True, capture_output=True)
    return plain


def _v6(host: str) -> str:
    """tcptrace writes groups of zeros as ``::``, and leading zeros."""
    if ":" not in host:
        return host
    left, _, right = host.partition("::")
    groups = [int(group or "0", 16) for group in left.split(":")]
    rest = [int(group or "0", 16) for group in right.split(":")] if right else []
    middle = [0] * (8 - len(groups) - len(rest))
    return ":".join(f"{group:x}" for group in [*groups, *middle, *rest])


def milliseconds(value_ns: float | None) -> str:
    """Return a time as tcptrace writes it."""
    return f"{(value_ns or 0) / 1e6:.1f}"


def yes(flag: bool) -> str:  # noqa: FBT001 - of a table
    return "Y" if flag else "N"


SAME: Final[Mapping[str, Told]] = {
    "total_packets": lambda one: one.packets_count,
    "resets_sent": lambda one: one.rst_count,
    "ack_pkts_sent": lambda one: one.ack_count,
    "pure_acks_sent": lambda one: one.pure_ack_count,
    "sack_pkts_sent": lambda one: one.sack_count,
    "dsack_pkts_sent": lambda one: one.dsack_count,
    "max_sack_blks/ack": lambda one: one.sack_blocks_max,
    "unique_bytes_sent": lambda one: one.unique_bytes,
    "actual_data_pkts": lambda one: one.data_packets_count,
    "actual_data_bytes": lambda one: one.payload_bytes,
    "rexmt_data_pkts": lambda one: one.retransmitted_count,
    "rexmt_data_bytes": lambda one: one.retransmitted_bytes,
    "zwnd_probe_pkts": lambda one: one.zero_window_probe_count,
    "zwnd_probe_bytes": lambda one: one.zero_window_probe_bytes,
    "outoforder_pkts": lambda one: one.out_of_order_count,
    "pushed_data_pkts": lambda one: one.push_count,
    "SYN/FIN_pkts_sent": lambda one: f"{one.syn_count}/{one.fin_count}",
    "req_1323_ws/ts": lambda one: (
        f"{yes(one.window_scale is not None)}/{yes(one.timestamps_offered)}"
    ),
    "adv_wind_scale": lambda one: one.window_scale or 0,
    "req_sack": lambda one: yes(one.sack_permitted),
    "sacks_sent": lambda one: one.sack_count,
    "urgent_data_pkts": lambda one: one.urgent_count,
    "urgent_data_bytes": lambda one: one.urgent_bytes,
    "mss_requested": lambda one: one.mss_bytes or 0,
    "max_segm_size": lambda one: one.segment_max_bytes,
    "min_segm_size": lambda one: one.segment_min_bytes or 0,
    "avg_segm_size": lambda one: one.payload_bytes // max(one.data_packets_count, 1),
    "max_win_adv": lambda one: one.window_max_bytes,
    "min_win_adv": lambda one: one.window_min_bytes or 0,
    "zero_win_adv": lambda one: one.zero_window_count,
    "avg_win_adv": lambda one: one.window_mean_bytes or 0,
    "initial_window_bytes": lambda one: one.initial_window_bytes,
    "initial_window_pkts": lambda one: one.initial_window_count,
    "missed_data": lambda one: one.missed_bytes,
    "ttl_stream_length": lambda one: one.unique_bytes + one.missed_bytes,
    "truncated_data": lambda one: one.cut_bytes,
    "truncated_packets": lambda one: one.cut_count,
    "data_xmit_time": lambda one: (
        f"{((one.last_data_ns or 0) - (one.first_data_ns or 0)) / 1e9:.3f}"
    ),
    "idletime_max": lambda one: milliseconds(one.idle_max_ns),
    "RTT_from_3WHS": lambda one: milliseconds(one.syn_rtt_ns),
}
"""tcptrace's column, and our value."""

ROUND_TRIPS: Final[Mapping[str, Told]] = {
    "RTT_samples": lambda one: one.rtt_acks.count,
    "RTT_min": lambda one: milliseconds(one.rtt_acks.min_ns),
    "RTT_max": lambda one: milliseconds(one.rtt_acks.max_ns),
    "RTT_avg": lambda one: milliseconds(one.rtt_acks.mean_ns),
    "RTT_stdev": lambda one: milliseconds(one.rtt_acks.stddev_ns),
}
"""The same once SYNs and FINs are taken out of a capture: tcptrace times them, we do not."""

Allowed = Callable[[DirectionMetrics, DirectionMetrics, str], bool]
"""Of a direction, the other one, and tcptrace's cell that is not ours."""


def sent_again(one: DirectionMetrics) -> int:
    """Return how many SYNs and FINs came again."""
    return max(one.syn_count - 1, 0) + max(one.fin_count - 1, 0)


def of_syn(one: DirectionMetrics, other: DirectionMetrics, _: str) -> bool:
    """Say whether tcptrace counts the window of the SYN: where it is not scaled, or alone."""
    alone = one.packets_count == one.syn_count + one.rst_count
    return alone or None in (one.window_scale, other.window_scale)


def reset_after_fin(one: DirectionMetrics) -> bool:
    """Say whether tcptrace takes the number of a RST for the end of the stream.

    That number is past the FIN's where the host aborts, and far before it where the host answers
    what came after it had closed: with what that segment acknowledged (RFC 9293, section
    3.10.7.1), so with an old number where a path had held the segment back.
    """
    return one.rst_count > 0 and one.fin_count > 0


QUALIFIED: Final[Mapping[str, tuple[str, Allowed]]] = {
    "rexmt_data_pkts": (
        "a SYN and a FIN sent again count as well",
        lambda one, _, cell: int(cell) == one.retransmitted_count + sent_again(one),
    ),
    "rexmt_data_bytes": (
        "a SYN and a FIN sent again count a byte",
        lambda one, _, cell: int(cell) == one.retransmitted_bytes + sent_again(one),
    ),
    "missed_data": (
        "NA until a FIN tells the end; where RSTs follow, one more, or below zero: see the length",
        lambda one, _, cell: (
            not one.fin_count
            if cell == "NA"
            else reset_after_fin(one)
            and (int(cell) == one.missed_bytes + 1 or int(cell) >= UNDERFLOW)
        ),
    ),
    "ttl_stream_length": (
        "as above; the last RST's number is taken for the end: less where it answers old segments",
        lambda one, _, cell: (
            not one.fin_count
            if cell == "NA"
            else reset_after_fin(one)
            and (
                int(cell) == one.unique_bytes + one.missed_bytes + 1 or int(cell) < one.unique_bytes
            )
        ),
    ),
    "truncated_data": (
        "headers that were cut as well count, and what `readable` cuts",
        lambda one, _, cell: one.cut_count > 0 and int(cell) > one.cut_bytes,
    ),
    "avg_segm_size": (
        "often one less: tcptrace rounds on its way",
        lambda one, _, cell: int(cell) == one.payload_bytes // one.data_packets_count - 1,
    ),
    "adv_wind_scale": (
        "0 where the other end has no window scale",
        lambda _, other, cell: cell == "0" and other.window_scale is None,
    ),
    "max_win_adv": ("the SYN's counts where windows are not scaled", of_syn),
    "min_win_adv": ("the SYN's counts where windows are not scaled", of_syn),
    "avg_win_adv": (
        "a RST's window counts; the SYN's where windows are not scaled",
        lambda one, other, cell: one.rst_count > 0 or of_syn(one, other, cell),
    ),
    "idletime_max": (
        (
            "goes on after the last segment, unless there was a FIN; NA where nothing was sent;"
            " microseconds are rounded"
        ),
        lambda one, _, cell: (
            not one.packets_count
            if cell == "NA"
            else abs(float(cell) - one.idle_max_ns / 1e6) < ROUNDED_MS
            or (not one.fin_count and float(cell) > one.idle_max_ns / 1e6)
        ),
    ),
    "RTT_from_3WHS": (
        "a RST answers a SYN as well, and a SYN sent again is timed; microseconds are rounded",
        lambda one, other, cell: (
            other.rst_count > 0 or one.syn_count > 1
            if one.syn_rtt_ns is None
            else abs(float(cell) - one.syn_rtt_ns / 1e6) < ROUNDED_MS
        ),
    ),
}
"""Of columns that agree: how tcptrace's may differ from ours, and when."""
ROUNDED_MS: Final = 0.11

DIFFERENT: Final[Mapping[str, str]] = {
    "throughput": "over the time of the whole connection; `throughput_bps` over that of the data",
    "duplicate_acks": "with nothing in flight as well; `duplicate_ack_count` is by RFC 5681",
    "triple_dupacks": "as duplicate_acks; ours is `triple_duplicate_ack_count`",
    "hardware_dups": "the table `packets` has `ip_id` and `seq` to find them",
    "RTT_full_sz_smpls": "we do not time segments of the largest size by themselves",
    "RTT_full_sz_min": "as RTT_full_sz_smpls",
    "RTT_full_sz_max": "as RTT_full_sz_smpls",
    "RTT_full_sz_avg": "as RTT_full_sz_smpls",
    "RTT_full_sz_stdev": "as RTT_full_sz_smpls",
    "post-loss_acks": "ACKs that are no sample: not counted",
    "ambiguous_acks": "ACKs that are no sample: not counted",
    "segs_cum_acked": "ACKs that are no sample: not counted",
    "RTT_min_(last)": "since the last retransmission of what is acknowledged: no sample of ours",
    "RTT_max_(last)": "as RTT_min_(last)",
    "RTT_avg_(last)": "as RTT_min_(last)",
    "RTT_sdv_(last)": "as RTT_min_(last)",
    "max_#_retrans": "the table `packets` has every retransmission with its time",
    "min_retr_time": "as max_#_retrans",
    "max_retr_time": "as max_#_retrans",
    "avg_retr_time": "as max_#_retrans",
    "sdv_retr_time": "as max_#_retrans",
}
"""Columns that are not compared, and why."""
