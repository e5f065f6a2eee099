"""The sentences with which a diagnosis closes, for somebody who does not know what a SYN is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mptcp_check.analysis.diagnose import Diagnosis
from mptcp_check.analysis.outcome import WORST_FIRST
from mptcp_check.analysis.reporting import words
from mptcp_check.model import Outcome, Side, Transport

if TYPE_CHECKING:  # the two documents import this module
    from mptcp_check.analysis.reporting.run_document import JudgedExchange

_FALLBACK: Final = frozenset(
    {
        Outcome.FELL_BACK_AT_HANDSHAKE,
        Outcome.FELL_BACK_AT_FIRST_DATA,
        Outcome.FELL_BACK_MIDSTREAM,
    }
)
_BAD: Final = frozenset({Outcome.CORRUPTED, Outcome.HUNG, Outcome.TIMED_OUT, Outcome.REFUSED})
_TROUBLED: Final = _BAD | _FALLBACK | {Outcome.MPTCP_DEGRADED, Outcome.UNSTABLE}
_BOTH: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One exchange or one connection, as far as a closing sentence needs it."""

    outcome: Outcome
    port: int
    behaviours: frozenset[str]
    """Causes that were seen on it."""
    paths: int = 1


def of_run(diagnosis: Diagnosis, judged: Sequence["JudgedExchange"]) -> tuple[str, ...]:
    """Return the closing sentences of a run; the controls over plain TCP are not counted."""
    causes = _causes(diagnosis)
    items = [
        Item(
            outcome=one.judgement.outcome,
            port=one.observed.exchange.port,
            behaviours=frozenset().union(*(causes[id_] for id_ in one.connections)),
            paths=one.observed.exchange.paths,
        )
        for one in judged
        if one.judgement.outcome not in {Outcome.TCP, Outcome.TCP_BROKE}
    ]
    doubts = sum(bool(one.judgement.contradictions) for one in judged)
    doubtful = [words.SUMMARY["doubts"].format(count=_count(doubts, "exchange"))] if doubts else []
    return (*sentences(items, "exchange"), *_handovers(judged), *doubtful)


def of_diagnosis(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return the closing sentences of a diagnosis of captures alone."""
    causes = _causes(diagnosis)
    items = [
        Item(
            outcome=judged.outcome,
            port=next(iter(connection.views.values()))[0].server.port,
            behaviours=frozenset(causes[connection.id]),
            paths=len(connection.subflows),
        )
        for connection, judged in zip(diagnosis.connections, diagnosis.outcomes, strict=True)
        if judged.outcome is not Outcome.TCP
    ]
    said = sentences(items, "connection")
    alone = Side.SERVER not in diagnosis.captures and bool(items)
    return (
        *(f"{problem[0].upper()}{problem[1:]}." for problem in diagnosis.problems),
        *said,
        *((words.SUMMARY["one_sided"],) if alone else ()),
    )


def sentences(items: Sequence[Item], noun: str) -> tuple[str, ...]:
    """Return what is to be said of some exchanges or connections, the worst news first.

    Args:
        items: Those that were to use Multipath TCP.
        noun: What one of them is called.
    """
    if not items:
        reason = words.SUMMARY["no_exchange"]
        return (words.SUMMARY["nothing"].format(reason=reason),)
    troubled = [item for item in items if item.outcome in _TROUBLED]
    causes = {b for item in items for b in item.behaviours} - words.HARMLESS
    if not troubled and not causes and any(i.outcome is Outcome.MPTCP for i in items):
        return (_clean(items, noun), *_silent(items, noun))
    return (
        *(_cause(items, cause, noun) for cause in _worst_cause_first(items, causes)),
        *_unexplained(troubled, len(items), noun),
        *_ports(items, causes),
        *_silent(items, noun),
    )


def _handovers(judged: Sequence["JudgedExchange"]) -> Iterator[str]:
    """Say what Multipath TCP was worth when its path went away; nothing where it was not tried."""
    pauses: dict[Transport, list[int]] = defaultdict(list)
    broke = False
    for one in judged:
        seen = one.observed.witness.handover
        if seen is None or not seen.began_ns:
            continue
        broke |= one.judgement.outcome is Outcome.TCP_BROKE
        if one.judgement.outcome in {Outcome.MPTCP, Outcome.TCP} and seen.progress is not None:
            pauses[one.observed.exchange.transport].append(seen.progress.pause_ns)
    if not pauses[Transport.MPTCP]:
        return
    said = words.SUMMARY["handover"].format(mptcp_s=max(pauses[Transport.MPTCP]) / 1e9)
    paused_s = max(pauses[Transport.TCP], default=0) / 1e9
    told = [f"paused up to {paused_s:.1f} s"] if pauses[Transport.TCP] else []
    told += ["did not survive it"] if broke else []
    tcp = words.SUMMARY["handover_tcp"].format(tcp=" or ".join(told)) if told else ""
    yield f"{said}{tcp}."


def _causes(diagnosis: Diagnosis) -> Mapping[int | None, set[str]]:
    """Return the causes seen on each connection, by its identifier."""
    found: dict[int | None, set[str]] = defaultdict(set)
    for finding in diagnosis.causes:
        found[finding.connection].add(finding.behaviour)
    return found


def _clean(items: Sequence[Item], noun: str) -> str:
    worked = [item for item in items if item.outcome is Outcome.MPTCP]
    harmless = sorted(frozenset().union(*(item.behaviours for item in worked)))
    paths = max(item.paths for item in worked)
    template = words.SUMMARY["clean_but" if harmless else "clean"]
    what = _listed([words.BEHAVIOURS[behaviour].short for behaviour in harmless])
    several = " on both paths" if paths == _BOTH else " on every path that was asked for"
    several = several if paths >= _BOTH else ""
    return template.format(paths=several, count=_share(len(worked), len(worked), noun), what=what)


def _worst_cause_first(items: Sequence[Item], causes: Iterable[str]) -> list[str]:
    """Order causes by the worst outcome on which they were seen."""

    def badness(cause: str) -> tuple[int, str]:
        ranks = [WORST_FIRST.index(i.outcome) for i in items if cause in i.behaviours]
        return min(ranks), cause

    return sorted(causes, key=badness)


def _cause(items: Sequence[Item], cause: str, noun: str) -> str:
    what = words.BEHAVIOURS[cause].short
    concerned = [item for item in items if cause in item.behaviours]
    worst = min((item.outcome for item in concerned), key=WORST_FIRST.index)
    same = [item for item in concerned if _kind(item.outcome) == _kind(worst)]
    count = _share(len(same), len(items), noun)
    if worst in _BAD:
        return words.SUMMARY["cause_bad"].format(what=what, count=count, verb=words.VERBS[worst])
    template = {
        "fallback": words.SUMMARY["cause_fallback"],
        "degraded": words.SUMMARY["cause_degraded"],
    }.get(_kind(worst), words.SUMMARY["cause_only"])
    return template.format(what=what, count=count)


def _kind(outcome: Outcome) -> str:
    if outcome in _FALLBACK:
        return "fallback"
    return "degraded" if outcome is Outcome.MPTCP_DEGRADED else outcome.value


def _unexplained(troubled: Sequence[Item], total: int, noun: str) -> Iterator[str]:
    without = [i for i in troubled if not i.behaviours - words.HARMLESS]
    for outcome in WORST_FIRST:
        count = sum(item.outcome is outcome for item in without)
        if count:
            yield words.SUMMARY["unexplained"].format(
                count=_capital(_share(count, total, noun)), verb=words.VERBS[outcome]
            )


def _ports(items: Sequence[Item], causes: set[str]) -> Iterator[str]:
    """Say which ports are concerned and which are clean, where the user tried several."""
    every = {item.port for item in items}
    bad = {i.port for i in items if i.outcome in _TROUBLED or i.behaviours & causes}
    clean = {i.port for i in items if i.outcome is Outcome.MPTCP} - bad
    if len(every) > 1 and bad:
        yield words.SUMMARY["ports_bad"].format(ports=_port_list(bad))
    if clean and bad:
        are = "is" if len(clean) == 1 else "are"
        yield words.SUMMARY["ports_clean"].format(ports=_capital(_port_list(clean)), are=are)


def _silent(items: Sequence[Item], noun: str) -> Iterator[str]:
    """Say what could not be judged: silence is never taken for health."""
    for outcome, key in (
        (Outcome.UNREACHABLE, "unreachable"),
        (Outcome.NOT_MEASURED, "not_measured"),
    ):
        count = sum(item.outcome is outcome for item in items)
        if count:
            yield words.SUMMARY[key].format(count=_capital(_share(count, len(items), noun)))


def _share(count: int, total: int, noun: str) -> str:
    if count == total:
        return f"the only {noun}" if total == 1 else f"all {total} {noun}s"
    return f"{count} of {total} {noun}s"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _port_list(ports: Iterable[int]) -> str:
    ordered = [str(port) for port in sorted(ports)]
    return f"port{'' if len(ordered) == 1 else 's'} {_listed(ordered)}"


def _listed(texts: Sequence[str]) -> str:
    """Return texts in a row: ``a``, ``a and b``, ``a, b and c``."""
    *most, last = texts or ("",)
    return f"{', '.join(most)} and {last}" if most else last


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
