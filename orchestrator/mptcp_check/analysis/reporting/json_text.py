"""A document as JSON text that people can read and that is made fast.

Each member of a list of the document stands on one line: the standard library's compiled encoder
knows no indentation, and its other one takes ten times as long.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

_encode: Final = json.JSONEncoder().encode
"""As `json.dumps` does it, without asking for its settings a million times."""


def json_text(document: Mapping[str, Any]) -> str:
    """Return a document as JSON.

    Args:
        document: Plain values; its lists become one line per member.
    """
    members = (f"  {json.dumps(name)}: {_value(value)}" for name, value in document.items())
    return "{\n" + ",\n".join(members) + "\n}"


def _value(value: object) -> str:
    if isinstance(value, list) and value:
        return "[\n    " + ",\n    ".join(map(_encode, value)) + "\n  ]"
    return _encode(value)
