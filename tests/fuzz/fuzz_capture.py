"""Fuzz target: whatever a capture file holds, reading and measuring it ends, without an exception.

    python tests/fuzz/fuzz_capture.py [CORPUS] -max_total_time=20

libFuzzer's options; a corpus folder is optional.  The first byte of an input chooses what the rest
goes through, so that mutations reach every stage: a whole file; frames in a sound file; TCP options
in sound segments.  The reader runs interpreted (NUMBA_DISABLE_JIT): atheris sees its branches.
"""

import os
import struct
import sys

os.environ["NUMBA_DISABLE_JIT"] = "1"
os.environ["PYTHONWARNINGS"] = "error"

import atheris

with atheris.instrument_imports(include=["mptcp_check.analysis"]):
    from mptcp_check.analysis.capture import capture_file
    from mptcp_check.analysis.flows.connections import connections
    from mptcp_check.analysis.metrics.inspection import inspect
    from mptcp_check.analysis.metrics.inspector import Inspector
    from mptcp_check.analysis.reporting import inspect_document
    from mptcp_check.analysis.reporting.inspect_document import InspectedFile

LINK_TYPE_RAW = 101
FILE, FRAMES, OPTIONS = range(3)
MOST_OPTIONS_BYTES = 40


def as_file(data: bytes) -> bytes:
    return data


def as_frames(data: bytes) -> bytes:
    """Cut the bytes into frames; the first byte of each says how long it is."""
    frames = []
    while data:
        length = data[0]
        frames.append(data[1 : 1 + length])
        data = data[1 + length :]
    return pcap(frames, link_type=data[0] if data else 1)


def as_options(data: bytes) -> bytes:
    """Take 45 bytes a segment: direction, flags, number, then options."""
    frames = []
    step = 5 + MOST_OPTIONS_BYTES
    for at in range(0, len(data), step):
        part = data[at : at + step].ljust(5, b"\0")
        options = part[5:][: len(part[5:]) // 4 * 4]
        ends = (b"\x0a\0\0\1", b"\x0a\0\0\2")
        ports = (40_000, 80)
        way = part[0] & 1
        segment = struct.pack(
            ">HHIIHHHH",
            ports[way],
            ports[1 - way],
            part[2] * 97,
            part[3] * 89,
            (5 + len(options) // 4) << 12 | part[1],
            part[4] << 8,
            0,
            0,
        )
        segment += options + data[at : at + part[4]]
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 7, 0, 64, 6, 0)
        frames.append(head + ends[way] + ends[1 - way] + segment)
    return pcap(frames, link_type=LINK_TYPE_RAW)


def pcap(frames: list[bytes], *, link_type: int) -> bytes:
    out = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, link_type)
    for number, frame in enumerate(frames):
        out += struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame
    return out


SHAPES = (as_file, as_frames, as_options)


def one_input(data: bytes) -> None:
    """Read, measure and write down; and the same once more in blocks."""
    if not data:
        return
    octets = SHAPES[data[0] % len(SHAPES)](data[1:])
    capture = capture_file.read(octets)
    found = connections(capture.packets)
    inspection = inspect(capture)
    if len(inspection.connections) != len(found):
        raise AssertionError("metrics and flows do not count the same connections")
    inspector = Inspector()
    half = len(octets) // 2
    taken = inspector.feed(octets[:half])
    inspector.feed(octets[taken:], last=True)
    if inspector.finish().packets_count != inspection.packets_count:
        raise AssertionError("in blocks there are other packets")
    "".join(inspect_document.lines([InspectedFile(path="x", inspection=inspection)]))


def main() -> None:
    """Give the input function to libFuzzer."""
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
