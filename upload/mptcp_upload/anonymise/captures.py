"""Captures with other addresses, every header field but those and every checksum's verdict kept."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mptcp_upload.anonymise import (
    capture_blocks,
    compressed,
    internet_checksum,
    replacements,
    tokens,
)
from mptcp_upload.anonymise.capture_blocks import Frame, Part
from mptcp_upload.anonymise.frame_layout import Layout, layout
from mptcp_upload.anonymise.payloads import Payloads
from mptcp_upload.anonymise.pseudonyms import Pseudonyms
from mptcp_upload.anonymise.replacements import Replacements


@dataclass(slots=True)
class Found:
    """What captures say about who and where."""

    addresses: set[bytes] = field(default_factory=set)
    macs: set[bytes] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Done:
    """What was changed in a capture, in numbers."""

    frame_count: int = 0
    wiped_frame_count: int = 0
    """Frames of which something was set to zero."""
    edited_payload_count: int = 0
    """Segments in whose payload an address was replaced: their DSS checksum is not carried on."""


def look(capture: bytes, found: Found) -> None:
    """Note every address, MAC address, interface name and host name of a capture.

    Raises:
        BundleError: It cannot be read.
    """

    def named(name: str) -> str:
        found.names.add(name)
        return name

    payloads = Payloads()
    for frame in _frames(capture_blocks.parts(capture, named)):
        places = layout(frame.octets, frame.link_type)
        found.addresses.update(frame.octets[s:e] for s, e in places.addresses)
        found.macs.update(frame.octets[m : m + 6] for m in places.macs)
        if places.segment is not None:
            payloads.add(places.segment, frame.octets[slice(*places.segment.payload)])
    for text in payloads.texts():
        look_at_text(text, found)
        for inner in compressed.find(text):
            look_at_text(inner.content, found)


def look_at_text(text: bytes, found: Found) -> None:
    """Note the addresses that a text holds, and the hosts that its header fields name."""
    for run in replacements.printable(text):
        for token in tokens.find(run):
            (found.macs if token.is_mac else found.addresses).add(token.packed)
        found.names.update(replacements.domains(run))


def rewrite(capture: bytes, maps: Pseudonyms, texts: Replacements, done: Done) -> bytes:
    """Return a capture with pseudonyms; as many frames, of the same lengths and times.

    Raises:
        BundleError: It cannot be read.
    """
    pieces = capture_blocks.parts(capture, lambda name: maps.names.get(name.lower(), name))
    payloads, places = Payloads(), {}
    for index, piece in enumerate(pieces):
        if isinstance(piece, Frame):
            found = places[index] = layout(piece.octets, piece.link_type)
            if found.segment is not None:
                payloads.add(found.segment, piece.octets[slice(*found.segment.payload)])
    payloads.find_edits(texts)
    for index, found in places.items():
        piece = pieces[index]
        if isinstance(piece, Frame):
            octets = _rewritten(piece.octets, found, maps, done)
            if found.segment is not None:
                start, end = found.segment.payload
                new, count = payloads.edited(found.segment, piece.octets[start:end], texts)
                octets[start:end] = new
                done.edited_payload_count += bool(count)
            for checksum in found.checksums:
                value = internet_checksum.carried(piece.octets, octets, checksum)
                octets[checksum.at : checksum.at + 2] = value.to_bytes(2)
            pieces[index] = Frame(
                link_type=piece.link_type, head=piece.head, octets=bytes(octets), tail=piece.tail
            )
    return capture_blocks.whole(pieces)


def _rewritten(before: bytes, places: Layout, maps: Pseudonyms, done: Done) -> bytearray:
    octets = bytearray(before)
    for start, end in places.addresses:
        octets[start:end] = maps.address(before[start:end])
    for start in places.macs:
        octets[start : start + 6] = maps.mac(before[start : start + 6])
    for start, end in places.wipes:
        octets[start:end] = bytes(end - start)
    done.frame_count += 1
    done.wiped_frame_count += any(any(before[s:e]) for s, e in places.wipes)
    return octets


def _frames(pieces: Iterable[Part]) -> Iterable[Frame]:
    return (p for p in pieces if isinstance(p, Frame))
