"""Look for identities in bytes: spelt out, as they stand in packets, and behind any encoding."""

import re
from collections.abc import Iterator
from typing import Final

from mptcp_upload import decodings
from mptcp_upload.anonymise import spellings, tokens
from mptcp_upload.anonymise.identities import SUBSTRING_LENGTH, Identities

Hit = tuple[int, str]
"""Where, and what kind of identity in which spelling; never the identity itself."""

SHORT_NAME: Final = "a short name"

DEPTH: Final = 4
"""How many encodings within each other are undone."""
DECODED_BYTES_LIMIT: Final = 256 << 20
"""Of all views of one member together."""
_IPV4_BYTES: Final = 4
_SHORT_BYTES: Final = 30
"""In so few decoded bytes, four that are an IPv4 address do not stand there by chance.

A digest (SHA-256) has 32, and 31 from its second hexadecimal digit on: documents hold hundreds.
"""
_DECODED: Final = 4
"""Letters of the shortest name that is looked for in few decoded bytes."""
_RUN: Final = re.compile(rb"[\t\r\n\x20-\x7e\x80-\xff]{3,}")


class Search:
    """Knows every spelling of some identities.

    Args:
        who: What is looked for.
    """

    def __init__(self, who: Identities) -> None:
        self._packed = frozenset(who.addresses | who.macs)
        self._text = [
            (form, f"{kind(p)}, {name}", re.compile(spellings.pattern(name, form)))
            for p in sorted(self._packed)
            for name, form in spellings.text(p).items()
        ]
        self._binary = [
            (form, f"{kind(p)}, {name}")
            for p in sorted(self._packed)
            for name, form in spellings.binary(p).items()
        ]
        self._any_binary = spellings.any_of(
            (re.escape(form) for form, _ in self._binary), re.DOTALL
        )
        self._any_long = spellings.any_of(
            (re.escape(f) for f, _ in self._binary if len(f) > _IPV4_BYTES), re.DOTALL
        )
        names = sorted({form for n in who.names for form in spellings.name_forms(n)})
        self._names = spellings.any_of(spellings.name_pattern(n) for n in names)
        # decoding any word gives some bytes: three letters that are a name come up by chance
        self._names_decoded = spellings.any_of(
            spellings.name_pattern(n) for n in names if len(n) >= _DECODED
        )
        self._long_names = spellings.any_of(
            re.escape(n) for n in names if len(n) >= SUBSTRING_LENGTH
        )

    def text(self, content: bytes, *, among_bytes: bool) -> Iterator[Hit]:
        """Give what is spelt out.

        Args:
            content: What to look at.
            among_bytes: It is no text: three letters that are a name stand in it by chance, so a
                short name is looked for in stretches of text only.
        """
        for match in self._long_names.finditer(content):
            yield match.start(), "a name"
        for run in (decodings.TEXT if among_bytes else _RUN).finditer(content):
            for match in self._names.finditer(run[0]):
                if len(match[0]) < SUBSTRING_LENGTH:  # longer ones are found above
                    yield run.start() + match.start(), SHORT_NAME
        for run in decodings.TEXT.finditer(content):
            yield from ((run.start() + at, what) for at, what in self._addresses(run[0].lower()))

    def _addresses(self, run: bytes) -> Iterator[Hit]:
        for token in tokens.find(run):
            if token.packed in self._packed:
                yield token.start, f"{kind(token.packed)}, as text"
        for form, what, pattern in self._text:
            if form in run:
                yield from ((match.start(), what) for match in pattern.finditer(run))

    def binary(self, content: bytes) -> Iterator[Hit]:
        """Give what stands there in bytes."""
        for form, what in self._binary:
            at = content.find(form)
            while at >= 0:
                yield at, what
                at = content.find(form, at + 1)

    def encoded(self, content: bytes) -> Iterator[Hit]:
        """Give what is left after undoing what looks encoded, and what is encoded in that."""
        waiting = [(view, view.at, view.how, 1) for view in decodings.views(content)]
        left_bytes = DECODED_BYTES_LIMIT
        while waiting:
            view, at, how, depth = waiting.pop()
            left_bytes -= len(view.content)
            if view.is_cut or left_bytes < 0:
                yield at, f"more than can be looked at, {how}"
                return
            yield from ((at, f"{what}, {how}") for what in self._in_view(view.content))
            if depth < DEPTH:
                waiting += [
                    (inner, at, f"{inner.how} in {how}", depth + 1)
                    for inner in decodings.views(view.content)
                    if inner.content != view.content
                ]

    def _in_view(self, content: bytes) -> Iterator[str]:
        yield from (what for _, what in self.text(content, among_bytes=True))
        is_short = len(content) <= _SHORT_BYTES
        if is_short and self._names_decoded.search(content):
            yield "a name"
        # one look for all of them: there are a million of views, and something in hardly any
        if (self._any_binary if is_short else self._any_long).search(content) is not None:
            for form, what in self._binary:
                if (is_short or len(form) > _IPV4_BYTES) and form in content:
                    yield what


def kind(packed: bytes) -> str:
    """Return what sort of address it is."""
    return {4: "IPv4 address", 6: "MAC address"}.get(len(packed), "IPv6 address")
