"""What the interface and the capture service say to each other, in lines of `line_protocol`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mptcp_check.server.capture.service import Claim, Order


def order_document(order: Order) -> dict[str, Any]:
    """Return an order as it is sent."""
    return asdict(order)


def order(document: Mapping[str, Any]) -> Order:
    """Return an order that came.

    Raises:
        KeyError: A member is missing.
        TypeError: A member is of another kind.
    """
    return Order(
        session_id=session_id(document),
        marker=_text(document["marker"]),
        bytes_max=int(document["bytes_max"]),
        packets_max=int(document["packets_max"]),
        until_ns=int(document["until_ns"]),
    )


def claims(documents: Any) -> list[Claim]:  # noqa: ANN401 - as it came
    """Return claims that came; raises as `order`."""
    return [Claim(**one) for one in documents]


def session_id(document: Mapping[str, Any]) -> str:
    """Return the session that a document is about, fit for the name of a folder.

    Raises:
        KeyError: It names none.
        TypeError: What it names is none.
    """
    name = _text(document["session_id"])
    if not name or not all(c in "0123456789abcdef" for c in name):
        raise TypeError("a session is named by hexadecimal digits")
    return name


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is wanted")
    return value
