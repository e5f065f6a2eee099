"""A run on one screen: what each application met under each condition, and what deviated; pure.

Whatever there is to tell of twenty applications under ten conditions fits in a cell each: how many
exchanges went as they should, or what the worst of them met.  Only what deviated is told in full.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mptcp_check.analysis.outcome import WORST_FIRST
from mptcp_check.analysis.reporting import words
from mptcp_check.model import Outcome

Exchange = Mapping[str, Any]
"""One of ``exchanges`` of `mptcp-check.run/1`."""

GOOD: Final = frozenset({Outcome.MPTCP, Outcome.TCP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A condition, as far as a reader tells conditions apart."""

    title: str
    words: str
    """What it means, in a sentence's end."""
    holds: Callable[[Exchange], bool]


def _over_mptcp(exchange: Exchange) -> bool:
    return bool(exchange["transport"] == "mptcp")


COLUMNS: Final = (
    Column(
        title="TCP",
        words="plain TCP, the control",
        holds=lambda e: not _over_mptcp(e) and not _upset(e),
    ),
    Column(
        title="handover",
        words="the first path went away in mid-transfer",
        holds=lambda e: _over_mptcp(e) and _upset(e),
    ),
    Column(
        title="v4+v6",
        words="one connection over IPv6 and IPv4 at once",
        holds=lambda e: _joining(e) == "other_family",
    ),
    Column(
        title="announced",
        words="the server announced its second address (ADD_ADDR)",
        holds=lambda e: _joining(e) == "signal",
    ),
    Column(
        title="backup",
        words="the second path was for emergencies only",
        holds=lambda e: _joining(e) == "backup",
    ),
    Column(
        title="IPv6",
        words="Multipath TCP over IPv6",
        holds=lambda e: _over_mptcp(e) and e["family"] == "ipv6",
    ),
    Column(
        title="checksum",
        words="with checksums of the data",
        holds=lambda e: _over_mptcp(e) and e["checksum"],
    ),
    Column(
        title="2 paths",
        words="Multipath TCP with two subflows or more",
        holds=lambda e: _over_mptcp(e) and e["paths"] > 1,
    ),
    Column(
        title="MPTCP",
        words="Multipath TCP with one subflow",
        holds=_over_mptcp,
    ),
)
"""An exchange belongs to the first that holds."""

ORDER: Final = (
    "TCP", "MPTCP", "2 paths", "checksum", "backup", "announced", "IPv6", "v4+v6", "handover",
)  # fmt: skip
"""In which a reader sees them: from the plainest on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one application met under one condition."""

    count: int
    good_count: int
    worst: Outcome

    @property
    def is_good(self) -> bool:
        """Whether everything went as it should."""
        return self.good_count == self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One application."""

    app: str
    title: str
    cells: tuple[Cell | None, ...]
    """One per column; none where nothing of the kind ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All applications under all conditions that there were."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Exchanges that went wrong in the same way."""

    outcome: Outcome
    because: str
    where: tuple[str, ...]
    """Which exchanges, in words."""
    tries: tuple[str, ...]
    """What the tries of the first one met, where there were several."""


def matrix(exchanges: Sequence[Exchange], titles: Mapping[str, str]) -> Matrix:
    """Return the table of a run.

    Args:
        exchanges: Of its document.
        titles: Of the applications, for people.
    """
    found: dict[str, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for exchange in exchanges:
        title = column_title(exchange)
        if title is not None:
            found[exchange["app"]][title].append(Outcome(exchange["outcome"]))
    there = {title for cells in found.values() for title in cells}
    by_title = {column.title: column for column in COLUMNS}
    columns = tuple(by_title[title] for title in ORDER if title in there)
    return Matrix(
        columns=columns,
        rows=tuple(
            Row(
                app=app,
                title=titles.get(app, app),
                cells=tuple(_cell(cells.get(column.title, [])) for column in columns),
            )
            for app, cells in found.items()
        ),
    )


def column_title(exchange: Exchange) -> str | None:
    """Return to which column an exchange belongs; none is the control of a handover."""
    return next((column.title for column in COLUMNS if column.holds(exchange)), None)


def deviations(exchanges: Sequence[Exchange]) -> tuple[Deviation, ...]:
    """Return what did not go as it should, the worst first, the same thing once."""
    found: dict[tuple[Outcome, str], list[Exchange]] = defaultdict(list)
    for exchange in exchanges:
        outcome = Outcome(exchange["outcome"])
        if outcome not in GOOD and not (_upset(exchange) and outcome is Outcome.TCP_BROKE):
            found[outcome, exchange["because"]].append(exchange)
    ordered = sorted(found.items(), key=lambda f: WORST_FIRST.index(f[0][0]))
    return tuple(
        Deviation(
            outcome=outcome,
            because=because,
            where=tuple(described(e) for e in own),
            tries=tries(own[0]),
        )
        for (outcome, because), own in ordered
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What one handover did to a transfer over each transport, in words."""

    what: str
    """``Interface down and up``."""
    where: str
    """``http download``."""
    tcp: str
    """``paused 3.2 s, until its path was back``; empty where it did not run."""
    mptcp: str

    def sentence(self) -> str:
        """Say it in a line."""
        both = (("plain TCP", self.tcp), ("Multipath TCP", self.mptcp))
        said = "; ".join(f"{name} {met}" for name, met in both if met)
        return f"{self.what} ({self.where}): {said}"


def handovers(exchanges: Sequence[Exchange]) -> tuple[Handed, ...]:
    """Return what each handover did."""
    found: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for exchange in exchanges:
        if _upset(exchange):
            key = exchange["app"], exchange["direction"], exchange["handover"]["upset"]
            found[key][exchange["transport"]] = _met(exchange)
    return tuple(
        Handed(
            what=words.UPSETS[upset],
            where=f"{app} {direction}",
            tcp=said.get("tcp", ""),
            mptcp=said.get("mptcp", ""),
        )
        for (app, direction, upset), said in found.items()
    )


def transported(exchange: Exchange) -> str:
    """Return how an exchange was transported: ``Multipath TCP, backup``."""
    if not _over_mptcp(exchange):
        return "TCP, path away" if _upset(exchange) else "TCP control"
    joining = words.JOININGS.get(_joining(exchange), "")
    upset = words.UPSETS[exchange["handover"]["upset"]].lower() if _upset(exchange) else ""
    return ", ".join(["Multipath TCP", *filter(None, (joining, upset))])


def described(exchange: Exchange) -> str:
    """Return which exchange it was, in a few words: ``http download :80, 2 paths, backup``."""
    mode = f" {exchange['mode']}" if exchange.get("mode") else ""
    parts = [f"{exchange['app']}{mode} {exchange['direction']} :{exchange['port']}"]
    if _over_mptcp(exchange):
        parts.append("1 path" if exchange["paths"] == 1 else f"{exchange['paths']} paths")
    else:
        parts.append("plain TCP")
    parts += ["IPv6"] if exchange["family"] == "ipv6" else []
    parts += ["checksum"] if exchange["checksum"] else []
    parts += [words.JOININGS[joining]] if (joining := _joining(exchange)) in words.JOININGS else []
    parts += [words.UPSETS[exchange["handover"]["upset"]].lower()] if _upset(exchange) else []
    return ", ".join(parts)


def _cell(outcomes: Sequence[Outcome]) -> Cell | None:
    if not outcomes:
        return None
    return Cell(
        count=len(outcomes),
        good_count=sum(o in GOOD for o in outcomes),
        worst=min(outcomes, key=WORST_FIRST.index),
    )


def _met(exchange: Exchange) -> str:
    """Return what a handover did to one transfer, with the transport for its subject."""
    seen, outcome = exchange["handover"], Outcome(exchange["outcome"])
    if outcome is Outcome.TCP_BROKE:
        return "did not survive"
    if outcome in GOOD and seen["done"]:
        return str(seen["words"]).removeprefix("the transfer ")
    return f"{words.VERBS[outcome]} ({exchange['because']})"


def tries(exchange: Exchange) -> tuple[str, ...]:
    """Return what each try of an exchange met; nothing where all met the same."""
    every = exchange.get("tries", ())
    if len({t["outcome"] for t in every}) == 1:
        return ()
    return tuple(f"{words.OUTCOMES[Outcome(t['outcome'])].label}: {t['because']}" for t in every)


def _upset(exchange: Exchange) -> bool:
    return exchange.get("handover") is not None


def _joining(exchange: Exchange) -> str:
    """Return how further subflows came about; nothing where none was to."""
    if not _over_mptcp(exchange) or exchange["paths"] == 1:
        return ""
    return str(exchange.get("joining", "subflow"))
