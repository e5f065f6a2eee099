"""What kernels are made of: a stamp over it tells machine code of today from that of yesterday."""

import hashlib
import pkgutil
from typing import Final

PACKAGE: Final = "mptcp_check.analysis"

SOURCES: Final = (
    "capture/column_types",
    "capture/kernel_cache",
    "capture/kernel_calls",
    "capture/kernel_compiler",
    "capture/kernel_sources",
    "capture/kernels",
    "capture/link_layers",
    "capture/octet_kernel",
    "capture/option_kernel",
    "capture/option_tables",
    "capture/packet_blocks",
    "capture/packets",
    "capture/pcap_framing",
    "capture/pcapng_blocks",
    "capture/pcapng_framing",
    "capture/record_bounds",
    "capture/records",
    "capture/ring_block",
    "capture/segment_kernel",
    "capture/segment_tables",
    "capture/signal_kernel",
    "flows/flow_kernel",
    "interval_owners",
    "metrics/checksum_kernel",
    "metrics/header_kernel",
    "metrics/interval_kernel",
    "metrics/mapping_kernel",
    "metrics/measure_kernel",
    "metrics/round_trip_kernel",
    "metrics/state_tables",
    "one_way/crossing_kernel",
    "reporting/row_kernel",
    "series/coverage",
    "series/numbering",
)
"""The modules that hold kernels, and those that they take functions and numbers from."""


def _stamp() -> str:
    """Return a digest of all the sources: what machine code was made of."""
    digest = hashlib.blake2b(digest_size=16)
    for name in SOURCES:
        digest.update(pkgutil.get_data(PACKAGE, f"{name}.py") or name.encode())
    return digest.hexdigest()


STAMP: Final = _stamp()
