"""Element type of each column of the tables in `packets`, in the order of their fields."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]
"""One-dimensional array; its element type stands below."""

DSS_TYPES: Final[dict[str, str]] = {
    "packet": "int64",
    "offset": "int64",
    "length": "uint8",
    "flags": "uint8",
    "problem": "uint8",
    "parts": "uint8",
    "data_ack": "uint64",
    "dsn": "uint64",
    "ssn": "uint32",
    "data_length": "uint16",
    "checksum": "uint16",
}

SIGNAL_TYPES: Final[dict[str, str]] = {
    "packet": "int64",
    "offset": "int64",
    "length": "uint8",
    "subtype": "uint8",
    "version": "uint8",
    "flags": "uint8",
    "problem": "uint8",
    "present": "uint16",
    "key": "uint64",
    "peer_key": "uint64",
    "token": "uint32",
    "nonce": "uint32",
    "hmac": "uint64",
    "hmac_offset": "int64",
    "dsn": "uint64",
    "data_length": "uint16",
    "checksum": "uint16",
    "address_id": "uint8",
    "address_family": "uint8",
    "address_high": "uint64",
    "address_low": "uint64",
    "port": "uint16",
    "reason": "uint8",
}

PACKET_TYPES: Final[dict[str, str]] = {
    "frame": "uint32",
    "time_ns": "int64",
    "interface": "uint32",
    "notes": "uint8",
    "family": "uint8",
    "src_high": "uint64",
    "src_low": "uint64",
    "dst_high": "uint64",
    "dst_low": "uint64",
    "src_port": "uint16",
    "dst_port": "uint16",
    "ttl": "uint8",
    "tos": "uint8",
    "ip_id": "uint16",
    "seq": "uint32",
    "ack": "uint32",
    "flags": "uint16",
    "window": "uint16",
    "checksum": "uint16",
    "urgent": "uint16",
    "ip_offset": "int64",
    "tcp_offset": "int64",
    "options_bytes": "uint8",
    "payload_offset": "int64",
    "payload_bytes": "uint32",
    "captured_bytes": "uint32",
    "option_kinds": "uint32",
    "ts_value": "uint32",
    "ts_echo": "uint32",
}


def columns(types: dict[str, str], rows: int) -> dict[str, Column]:
    """Return uninitialised columns of `rows` elements each."""
    return {name: np.empty(rows, dtype=kind) for name, kind in types.items()}
