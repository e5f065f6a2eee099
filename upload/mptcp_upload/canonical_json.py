"""One byte string per JSON value (the part of RFC 8785 that documents of ours need).

Keys are sorted by code point, there is no white space, text is UTF-8 unescaped. Numbers are
integers: RFC 8785's formatting of floats is ECMAScript's, and a document to sign needs none.
"""

import json
from typing import Any

from mptcp_upload.errors import BundleError


def encode(value: object) -> bytes:
    """Return the canonical bytes of a JSON value.

    Raises:
        ValueError: It holds a float, or text that is no Unicode.
        TypeError: It holds something that JSON has not.
    """
    _require_exact(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def decode(octets: bytes, *, what: str) -> Any:  # noqa: ANN401 - a JSON value is anything
    """Return the value of canonical bytes, and only of canonical ones.

    Raises:
        BundleError: They are no JSON, or another spelling of their value than `encode`'s.
    """
    try:
        value = json.loads(octets)
        same = encode(value) == octets
    except (ValueError, TypeError, RecursionError) as e:
        raise BundleError(f"{what} is not canonical JSON: {type(e).__name__}") from None
    if not same:
        raise BundleError(f"{what} is not canonical JSON: it is spelt otherwise")
    return value


def _require_exact(value: object) -> None:
    if isinstance(value, float):
        raise ValueError("a canonical document holds no floats")  # noqa: TRY004 - as json does
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError("keys are text")
            _require_exact(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _require_exact(inner)
