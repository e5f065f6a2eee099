"""The table of segments as kernels take it."""

from typing import NamedTuple

from mptcp_check.analysis.capture.column_types import PACKET_TYPES, Column, columns


class PacketTable(NamedTuple):
    """The columns of `packets.Packets`, as kernels take them."""

    frame: Column
    time_ns: Column
    interface: Column
    notes: Column
    family: Column
    src_high: Column
    src_low: Column
    dst_high: Column
    dst_low: Column
    src_port: Column
    dst_port: Column
    ttl: Column
    tos: Column
    ip_id: Column
    seq: Column
    ack: Column
    flags: Column
    window: Column
    checksum: Column
    urgent: Column
    ip_offset: Column
    tcp_offset: Column
    options_bytes: Column
    payload_offset: Column
    payload_bytes: Column
    captured_bytes: Column
    option_kinds: Column
    ts_value: Column
    ts_echo: Column

    @staticmethod
    def allocate(rows: int) -> "PacketTable":
        """Return uninitialised columns."""
        return PacketTable(**columns(PACKET_TYPES, rows))
