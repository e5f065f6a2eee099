"""Text and numbers in XML: nothing that a capture or a file name holds can leave its place."""

import re
from typing import Final
from xml.sax.saxutils import escape

_NOT_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold (XML 1.0, section 2.2)."""


def clean(words: str) -> str:
    """Return words without characters that neither XML nor UTF-8 can hold."""
    return _NOT_XML.sub("\ufffd", words)


def text(words: str) -> str:
    """Return words as XML character data or as an attribute's value."""
    return escape(clean(words), {'"': "&quot;", "'": "&#39;"})


def number(value: float) -> str:
    """Return a coordinate with one decimal at most: a tenth of a pixel is enough."""
    written = f"{value:.1f}"
    return written.removesuffix(".0") if written != "-0.0" else "0"
