"""Replace identities in documents and logs, and in payload without changing its length."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from mptcp_upload.anonymise import compressed, spellings, tokens
from mptcp_upload.anonymise.identities import SUBSTRING_LENGTH
from mptcp_upload.anonymise.pseudonyms import Pseudonyms

Edit = tuple[int, bytes]
"""Where, and what instead of as many bytes."""

DEPTH: Final = 3
"""How often something compressed may be compressed before it goes whatever it says."""
_SHORTEST: Final = 7
"""Letters of the shortest address in its usual spelling."""
_REPEATED: Final = 64
"""Letters of a text that may come again: a key, a state, an address."""
_PRINTABLE: Final = re.compile(rb"[\t\r\n\x20-\x7e]{%d,}" % _SHORTEST)
"""Where a text may be in a payload; shorter than the shortest address is none."""
_WIDE: Final = re.compile(rb"(?:[\t\r\n\x20-\x7e]\0){3,}")
"""Where it may be in UTF-16."""
_HEADER: Final = re.compile(
    rb"(?im)(?:^(?:>|<)?[ \t]*(?:host|via|from|to|contact|call-id|forwarded|x-forwarded-for|"
    rb"x-forwarded-host|"
    rb"x-forwarded-server|x-real-ip|x-client-ip|client-ip|true-client-ip|cf-connecting-ip|"
    rb"x-originating-ip|x-cache|x-cache-lookup|server-name)|(?<=\n)[vftmi]):[ \t]*([^\r\n]*)"
)
"""Header fields of HTTP (RFC 9110, RFC 7239) and SIP (RFC 3261) that name somebody.

Of SIP's short forms (section 7.3.3) the line before must be there: a letter and a colon at the
beginning of what could be a text come up in random bytes.
"""
_DOMAIN: Final = re.compile(
    rb"(?<![A-Za-z0-9.-])[A-Za-z0-9_](?:[A-Za-z0-9_-]*\.)+[A-Za-z][A-Za-z0-9-]*(?![A-Za-z0-9.-])"
)
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)-----END \1-----", re.DOTALL)
"""What holds names and addresses where no pseudonym can be put (RFC 7468)."""

_PERCENT: Final = re.compile(rb"%(2[DEde]|3[0-9Aa]|[46][1-9A-Fa-f]|[57][0-9Aa])")
"""Characters of addresses and names that need no escape: RFC 3986, section 6.2.2.2."""


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode("ascii"))


def printable(text: bytes) -> Iterator[bytes]:
    """Give the stretches of a payload that may be text."""
    return (run[0] for run in _PRINTABLE.finditer(text))


def domains(text: bytes) -> Iterator[str]:
    """Give the names of hosts that header fields of HTTP and SIP mention."""
    for header in _HEADER.finditer(text):
        for match in _DOMAIN.finditer(header[1]):
            yield match[0].decode("ascii").lower()


class Replacements:
    """Replaces what `Pseudonyms` hides.

    Args:
        pseudonyms: The maps.
    """

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._maps = pseudonyms
        self.masked_count = 0
        """How many had no room for their pseudonym."""
        forms: dict[bytes, bytes] = {}
        patterns: dict[bytes, bytes] = {}
        binary: dict[bytes, bytes] = {}
        for packed in sorted(pseudonyms.who.addresses | pseudonyms.who.macs):
            other = self._map(packed)
            new = spellings.text(other)
            for name, old in spellings.text(packed).items():
                forms.setdefault(old, new.get(name, tokens.masked(old)))
                patterns.setdefault(old, spellings.pattern(name, old))
                forms.setdefault(_utf16(old), _utf16(forms[old]))
            new = spellings.binary(other)
            for name, old in spellings.binary(packed).items():
                binary.setdefault(old, new[name])
        self._names: dict[bytes, bytes] = {}
        for name, word in sorted(pseudonyms.names.items()):
            for form in spellings.name_forms(name):
                # as many bytes as what it replaces, whatever its encoding
                fitted = (word.encode() * (len(form) // len(word) + 1))[: len(form)]
                self._names.setdefault(form, fitted)
            if name.isascii():
                forms.setdefault(_utf16(name.encode()), _utf16(word.encode()))
        self._long_names = [n for n in self._names if len(n) >= SUBSTRING_LENGTH]
        self._known: dict[str, str] = {}
        """Short texts that were replaced before: a document says most of them a thousand times."""
        self._forms = forms
        self._binary = binary
        self._any_name = spellings.any_of(map(spellings.name_pattern, _longest_first(self._names)))
        self._any_form = spellings.any_of(
            patterns.get(f, re.escape(f)) for f in _longest_first(forms)
        )

    def document(self, octets: bytes) -> bytes:
        """Return a JSON document or a log with pseudonyms; the length may change.

        What is JSON stays JSON, without white space; what is no text becomes text.
        """
        try:
            value = json.loads(octets)
        except (ValueError, RecursionError):
            return self.text(octets.decode(errors="replace")).encode()
        return (json.dumps(self.value(value), ensure_ascii=False, sort_keys=True) + "\n").encode()

    def value(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Return a JSON value with pseudonyms in its texts and keys."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(v) for v in value]
        if isinstance(value, dict):
            return {self.text(k): self.value(v) for k, v in value.items()}
        return value

    def text(self, text: str) -> str:
        """Return a text with pseudonyms."""
        if len(text) > _REPEATED:
            return self._text(text)
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._text(text)
        return known

    def _text(self, text: str) -> str:
        whole = _PEM.sub(r"-----BEGIN \1-----(left out)-----END \1-----", text)
        octets = _PERCENT.sub(_unescaped, whole.encode(errors="replace"))
        out, at = [], 0
        for token in sorted(tokens.find(octets), key=lambda t: t.start):
            out += [octets[at : token.start], tokens.spelt(token, self._map(token.packed))]
            at = token.start + len(token.text)
        spelt = b"".join((*out, octets[at:]))
        spelt = self._any_form.sub(lambda m: self._forms.get(m[0].lower(), b""), spelt)
        spelt = self._any_name.sub(lambda m: self._names.get(m[0].lower(), b""), spelt)
        return spelt.decode(errors="replace")

    def edits(self, payload: bytes, *, depth: int = 0) -> list[Edit]:
        """Return what to change in a payload, each in the length of what it replaces.

        Args:
            payload: A stream, or one segment.
            depth: How often it was expanded already.
        """
        lowered = payload.lower()
        found = dict(self._among_bytes(payload, lowered))
        for run in _PRINTABLE.finditer(payload):
            for token in tokens.find(run[0]):
                new = tokens.fitted(token, self._map(token.packed))
                self.masked_count += new is None
                found[run.start() + token.start] = new or tokens.masked(token.text)
            for match in self._any_name.finditer(run[0]):
                found.setdefault(run.start() + match.start(), self._names[match[0].lower()])
        # hundreds of spellings, and payload that is no text mostly: look where one can be
        narrow = b"\n\n".join(run[0] for run in _PRINTABLE.finditer(lowered))
        wide = b"\n\n".join(run[0] for run in _WIDE.finditer(lowered))
        for old, new in self._forms.items():
            if len(old) >= _SHORTEST and old not in (wide if b"\0" in old else narrow):
                continue
            for at in _places(lowered, old):
                if at not in found:
                    self.masked_count += len(new) != len(old)
                    found[at] = new if len(new) == len(old) else tokens.masked(old)
        for old, new in self._binary.items():
            for at in _places(payload, old):
                found.setdefault(at, new)
        self._wipe_compressed(payload, found, depth)
        return sorted(found.items())

    def _among_bytes(self, payload: bytes, lowered: bytes) -> Iterator[Edit]:
        """Give what replaces long names where no text is: by chance too, in random bytes."""
        for name in self._long_names:
            for at in _places(lowered, name):
                around = payload[max(at - 1, 0) : at + len(name) + 1]
                if _PRINTABLE.search(around) is None:
                    yield at, self._names[name]

    def _wipe_compressed(self, payload: bytes, found: dict[int, bytes], depth: int) -> None:
        """Take out whole what is compressed and tells something: it has no place for pseudonyms."""
        for inner in compressed.find(payload):
            # a few bytes can expand to themselves: an end is needed
            if inner.is_cut or depth == DEPTH or self.edits(inner.content, depth=depth + 1):
                for at in [at for at in found if inner.start <= at < inner.end]:
                    del found[at]
                found[inner.start] = bytes(inner.end - inner.start)
                self.masked_count += 1

    def _map(self, packed: bytes) -> bytes:
        is_mac = len(packed) == 6  # noqa: PLR2004 - MAC
        return self._maps.mac(packed) if is_mac else self._maps.address(packed)


def _places(text: bytes, form: bytes) -> Iterator[int]:
    at = text.find(form)
    while at >= 0:
        yield at
        at = text.find(form, at + 1)


def _utf16(text: bytes) -> bytes:
    return text.decode("ascii", "replace").encode("utf-16-le")


def _longest_first(forms: Iterable[bytes]) -> list[bytes]:
    return sorted(forms, key=lambda f: (-len(f), f))
