"""One captured segment as people read it: addresses, flags, numbers, and every option in words.

This is what a report shows of its evidence.  Keys are shown in full on purpose: captures hold
them anyway, and a changed key is a finding.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.flows.endpoints import destination, source
from mptcp_check.analysis.options import mptcp_values as mptcp
from mptcp_check.analysis.options import tcp_options as tcp
from mptcp_check.analysis.pairing.mptcp_options import option_bytes
from mptcp_check.model import Side

_SHOWN_PAYLOAD_BYTES: Final = 64
_BEFORE_BYTES: Final = 16

_FLAG_NAMES: Final = (
    (Flag.SYN, "SYN"),
    (Flag.FIN, "FIN"),
    (Flag.RST, "RST"),
    (Flag.PSH, "PSH"),
    (Flag.ACK, "ACK"),
    (Flag.URG, "URG"),
    (Flag.ECE, "ECE"),
    (Flag.CWR, "CWR"),
)


def packet_view(
    capture: Capture, side: Side, frame: int, *, payload_from: int | None = None
) -> dict[str, Any] | None:
    """Return one segment as a JSON object.

    Args:
        capture: Where it lies.
        side: At which end the capture was taken.
        frame: Its number, as Wireshark counts.
        payload_from: Place in the payload around which bytes are shown; none shows no payload.

    Returns:
        None if the frame holds no TCP segment.
    """
    packets = capture.packets
    # of the column's own type, or the whole column is converted at each look-up
    place = int(packets.frame.searchsorted(packets.frame.dtype.type(frame)))
    if place >= len(packets) or int(packets.frame[place]) != frame:
        return None
    raw = option_bytes(capture, place)
    interface = int(packets.interface[place])
    names = [known.name for known in capture.interfaces]
    return {
        "side": side.value,
        "frame": frame,
        "time_ns": int(packets.time_ns[place]),
        "interface": names[interface] if interface < len(names) else "",
        "source": str(source(packets, place)),
        "destination": str(destination(packets, place)),
        "flags": flag_names(int(packets.flags[place])),
        "seq": int(packets.seq[place]),
        "ack": int(packets.ack[place]),
        "window": int(packets.window[place]),
        "ttl": int(packets.ttl[place]),
        "ip_id": int(packets.ip_id[place]),
        "payload_bytes": int(packets.payload_bytes[place]),
        "options": [_option_view(option) for option in tcp.decode(raw)[0]],
        "options_hex": raw.hex(),
        "payload": None if payload_from is None else _payload(capture, place, payload_from),
    }


def flag_names(flags: int) -> str:
    """Return the flags of a segment in words: ``SYN ACK``; a dash without any."""
    return " ".join(name for bit, name in _FLAG_NAMES if flags & bit) or "-"


def _payload(capture: Capture, row: int, around: int) -> dict[str, Any]:
    packets = capture.packets
    first = max(0, around - _BEFORE_BYTES)
    start = int(packets.payload_offset[row])
    end = min(first + _SHOWN_PAYLOAD_BYTES, int(packets.captured_bytes[row]))
    return {"offset": first, "hex": bytes(capture.buffer[start + first : start + end]).hex()}


def _option_view(option: tcp.TcpOption) -> dict[str, Any]:
    name, text = next((name, say(option)) for kind, name, say in _WORDS if isinstance(option, kind))
    return {
        "name": name,
        "text": text,
        "mptcp": isinstance(option, mptcp.MptcpOption),
        "filler": isinstance(option, (tcp.NoOperation, tcp.EndOfOptions)),
    }


def _capable(option: mptcp.MpCapable) -> str:
    parts = [f"version {option.version}"]
    checksum = option.flags & mptcp.CapableFlag.CHECKSUM_REQUIRED
    parts += ["checksum required"] if checksum else []
    for title, key in (("key", option.sender_key), ("peer's key", option.receiver_key)):
        parts += [f"{title} {key:016x}"] if key is not None else []
    if option.data_length_bytes is not None:
        parts.append(f"maps {option.data_length_bytes} bytes")
    return ", ".join(parts)


def _dss(option: mptcp.Dss) -> str:
    parts = []
    if option.data_ack is not None:
        parts.append(f"data ack {option.data_ack}")
    if option.mapping is not None:
        mapping = option.mapping
        parts.append(
            f"maps dsn {mapping.dsn} to byte {mapping.ssn}, {mapping.data_length_bytes} bytes"
        )
        if mapping.data_length_bytes == 0:
            parts.append("infinite")
        if mapping.checksum is not None:
            parts.append(f"checksum 0x{mapping.checksum:04x}")
    if option.data_fin:
        parts.append("DATA_FIN")
    return ", ".join(parts) or "empty"


def _backup(flags: int) -> str:
    return ", backup" if flags & 1 else ""


def _add_addr(option: mptcp.AddAddr) -> str:
    port = "" if option.port is None else f" port {option.port}"
    return f"id {option.address_id}, {option.address}{port}{', echo' if option.echo else ''}"


def _blocks(option: tcp.Sack) -> str:
    return ", ".join(f"{left}–{right}" for left, right in option.blocks)  # noqa: RUF001 - a range


_WORDS: Final[tuple[tuple[type, str, Callable[[Any], str]], ...]] = (
    (mptcp.MpCapable, "MP_CAPABLE", _capable),
    (
        mptcp.MpJoinSyn,
        "MP_JOIN",
        lambda o: (
            f"token {o.token:08x}, nonce {o.nonce:08x}, address id {o.address_id}{_backup(o.flags)}"
        ),
    ),
    (
        mptcp.MpJoinSynAck,
        "MP_JOIN",
        lambda o: f"hmac {o.hmac.hex()}, nonce {o.nonce:08x}{_backup(o.flags)}",
    ),
    (mptcp.MpJoinAck, "MP_JOIN", lambda o: f"hmac {o.hmac.hex()}"),
    (mptcp.Dss, "DSS", _dss),
    (mptcp.AddAddr, "ADD_ADDR", _add_addr),
    (mptcp.RemoveAddr, "REMOVE_ADDR", lambda o: f"ids {', '.join(map(str, o.address_ids))}"),
    (mptcp.MpPrio, "MP_PRIO", lambda o: "backup" if o.flags & 1 else "not backup"),
    (mptcp.MpFail, "MP_FAIL", lambda o: f"dsn {o.dsn}"),
    (mptcp.MpFastclose, "MP_FASTCLOSE", lambda o: f"key {o.receiver_key:016x}"),
    (mptcp.MpTcprst, "MP_TCPRST", lambda o: f"reason {o.reason}"),
    (mptcp.MpOther, "MPTCP", lambda o: f"subtype {o.subtype:#x}, {o.data.hex()}"),
    (tcp.EndOfOptions, "EOL", lambda o: f"{1 + len(o.padding)} bytes"),
    (tcp.NoOperation, "NOP", lambda _: ""),
    (tcp.MaximumSegmentSize, "MSS", lambda o: str(o.mss_bytes)),
    (tcp.WindowScale, "Window scale", lambda o: f"2^{o.shift_count}"),
    (tcp.SackPermitted, "SACK permitted", lambda _: ""),
    (tcp.Sack, "SACK", _blocks),
    (tcp.Timestamps, "Timestamps", lambda o: f"{o.value}, echo {o.echo}"),
    (tcp.FastOpen, "Fast Open", lambda o: o.cookie.hex()),
    (
        tcp.OtherOption,
        "Option",
        lambda o: f"kind {o.kind} {tcp.KIND_NAMES.get(o.kind, '')} {o.data.hex()}".strip(),
    ),
    (tcp.MalformedOption, "Malformed", lambda o: o.octets.hex()),
)
"""Class of an option -> its name and how its content reads; every class of `TcpOption` is here."""

OPTION_NAMES: Final[Mapping[type, str]] = {kind: name for kind, name, _ in _WORDS}
