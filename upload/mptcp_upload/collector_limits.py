"""What a collector says that it takes, compared with what is to be sent; PURE."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mptcp_upload import bundle
from mptcp_upload.errors import VERDICT_ONLY, NotTakenError

_NO_LIMIT: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one collector; what it does not say, it does not limit."""

    bundle_bytes: int = _NO_LIMIT
    expanded_bytes: int = _NO_LIMIT
    netblock_bytes_per_day: int = _NO_LIMIT
    """Share of a network whose uploads come without tickets."""
    schema_oldest: int = 0
    schema_newest: int = _NO_LIMIT


def read(document: Mapping[str, Any]) -> Limits:
    """Return the limits of an answer; a field that is no number limits nothing."""
    said = {name: document.get(name) for name in Limits.__dataclass_fields__}
    return Limits(**{n: v for n, v in said.items() if type(v) is int and v >= 0})


def require_schema(limits: Limits, url: str) -> None:
    """See that the collector knows bundles as this program makes them.

    Raises:
        NotTakenError: It knows newer or older ones only.
    """
    number = int(bundle.SCHEMA.partition("/")[2])
    if number > limits.schema_newest:
        raise NotTakenError(
            f"{url} knows bundles up to schema {limits.schema_newest}, this program makes {number}",
            hint="the collector is older than this program; try again when it was updated",
        )
    if number < limits.schema_oldest:
        raise NotTakenError(
            f"{url} takes bundles from schema {limits.schema_oldest} on, this program makes"
            f" {number}",
            hint="update mptcp-check, then upload the run again",
        )


def require_room(
    limits: Limits, url: str, *, size_bytes: int, expanded_bytes: int, with_ticket: bool
) -> None:
    """See that the collector takes so much.

    Raises:
        NotTakenError: Which limit it is beyond.
    """
    if size_bytes > limits.bundle_bytes:
        raise NotTakenError(
            f"the bundle has {size_bytes} bytes, {url} takes {limits.bundle_bytes}",
            hint=VERDICT_ONLY,
        )
    if expanded_bytes > limits.expanded_bytes:
        raise NotTakenError(
            f"the bundle expands to {expanded_bytes} bytes, {url} takes {limits.expanded_bytes}",
            hint=VERDICT_ONLY,
        )
    if size_bytes > limits.netblock_bytes_per_day and not with_ticket:
        raise NotTakenError(
            f"the bundle has {size_bytes} bytes, {url} takes {limits.netblock_bytes_per_day} a day"
            " from one network",
            hint=VERDICT_ONLY,
        )
