"""What the form above a list of runs asks for; PURE, and never raises."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from mptcp_collector.meta.records import Wanted

FIELDS: Final = ("behaviour", "outcome", "application", "port", "network", "since", "until")
PAGE_RUNS: Final = 50
PAGES_MAX: Final = 10_000
_LONGEST: Final = 100
_NS: Final = 10**9
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A form as it was sent, and what of it can be searched for."""

    form: Mapping[str, str]
    wanted: Wanted
    page: int
    wrong: tuple[str, ...]
    """What cannot be searched for, and was left out."""

    @property
    def asked(self) -> bool:
        """Whether anything was chosen."""
        return any(self.form.values())

    def at(self, page: int, *, public_at_ns: int | None) -> Wanted:
        """Return what a page of the list has, of what may be seen."""
        offset = (page - 1) * PAGE_RUNS
        return dataclasses.replace(self.wanted, public_at_ns=public_at_ns, offset=offset)

    def link(self, page: int) -> str:
        """Return the address of a page of the list."""
        values = {name: value for name, value in self.form.items() if value}
        return "/runs?" + urlencode({**values, "page": page})


def asked(query: Mapping[str, str]) -> Asked:
    """Read a query."""
    form = {name: query.get(name, "")[:_LONGEST].strip() for name in FIELDS}
    wrong = []
    port = _number(form["port"], _PORT_MAX)
    if form["port"] and not port:
        wrong.append("the port is no number from 1 to 65535")
    days = {}
    for name in ("since", "until"):
        days[name] = _day_ns(form[name])
        if form[name] and days[name] is None:
            wrong.append(f"“{name}” is no day such as 2026-11-21")
    page = _number(query.get("page", "")[:_LONGEST], PAGES_MAX) or 1
    since_ns, until_ns = days["since"], days["until"]
    nothing = Wanted()
    return Asked(
        form=form,
        wanted=Wanted(
            behaviour=form["behaviour"],
            outcome=form["outcome"],
            application=form["application"],
            port=port,
            network=form["network"],
            since_ns=nothing.since_ns if since_ns is None else since_ns,
            # the day itself is meant too
            until_ns=nothing.until_ns if until_ns is None else until_ns + 86_400 * _NS,
            limit=PAGE_RUNS,
        ),
        page=page,
        wrong=tuple(wrong),
    )


def _number(text: str, largest: int) -> int:
    short = text.isascii() and text.isdecimal() and len(text) <= len(str(largest))
    return int(text) if short and int(text) <= largest else 0


def _day_ns(text: str) -> int | None:
    try:
        day = dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    # before 1970 there are no runs, and the database holds 64 bits
    return max(0, min(int(day.timestamp()), 2**32)) * _NS
