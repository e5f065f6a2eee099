"""The captures of both ends: begun, looked after, ended, fetched, and compared with the wire."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mptcp_check import clock
from mptcp_check.both_ends import Session
from mptcp_check.errors import MachineError, MptcpCheckError, ServerError
from mptcp_check.machines.wire_agreement import Agreement
from mptcp_check.model import Side
from mptcp_guest.messages import CaptureFile, CaptureStateResult, CaptureStopResult

FAILURES: Mapping[Side, type[MptcpCheckError]] = {
    Side.CLIENT: MachineError,
    Side.SERVER: ServerError,
}
"""Whose failure a broken capture is, on a network that is not all ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOfInterface:
    """One finished capture, fetched from its machine."""

    interface: str
    content: bytes
    about: CaptureFile
    agreement: Agreement | None
    """With what crossed the wire, where somebody saw that."""


def check(session: Session) -> int:
    """Raise when an end is gone or a capture died: the rest would be worth nothing.

    Returns:
        How many bytes the client's captures hold.
    """
    session.network.check()
    states: dict[Side, CaptureStateResult] = session.both("capture_state", lambda _: {})
    for side, state in states.items():
        for capture in state["captures"]:
            if not capture["alive"] or capture["problem"]:
                session.network.check()  # a card that went away since took its capture with it
                failure = FAILURES[side] if session.network.witness is None else MachineError
                raise failure(
                    f"the {named(side, capture['interface'])} stopped: "
                    f"{capture['problem'] or 'tcpdump ended'}",
                    hint="start the run again, with fewer --apps if there was no space",
                )
    return sum(capture["bytes"] for capture in states[Side.CLIENT]["captures"])


def named(side: Side, interface: str) -> str:
    """Return what a capture is called; a server that many share has one, of all its interfaces."""
    return f"{side} capture" + ("" if interface == side else f" of {interface}")


@dataclass(frozen=True, slots=True)
class Collected:
    """What both ends had when the last exchange was over."""

    captures: dict[Side, tuple[CaptureOfInterface, ...]] = field(default_factory=dict)
    hello: dict[Side, Mapping[str, Any]] = field(default_factory=dict)


@contextmanager
def captured(session: Session, away: Sequence[tuple[str, int, int]]) -> Iterator[Collected]:
    """Capture on every interface; at the end fill in what both ends have.

    Args:
        session: Both ends.
        away: Filled while it captures: the interfaces of the client that were down on purpose, from
            when to when.
    """
    witness, addressing = session.network.witness, session.addressing
    collected = Collected()
    if witness:
        witness.record()
    session.both(
        "capture_start",
        lambda side: {
            "interfaces": list(addressing.interfaces(side)),
            "filter": addressing.capture_filter(side),
        },
    )
    yield collected
    if witness:
        witness.freeze()  # what is in the air must not reach one capture and miss the other
    stop_requested_ns = clock.monotonic_ns()

    def finished(side: Side) -> list[Future[CaptureOfInterface]]:
        """Stop and fetch; what is here is compared while the next one is on its way."""
        # first: meanwhile the last packets arrive
        collected.hello[side] = session.call(side, "hello")
        stopped: CaptureStopResult = session.call(side, "capture_stop")
        return [
            session.pool.submit(
                _compared,
                session,
                side,
                file,
                session.network.ends[side].fetch(file),
                stop_requested_ns=stop_requested_ns,
                away=[
                    (began_ns, ended_ns)
                    for name, began_ns, ended_ns in away
                    if side is Side.CLIENT and name == file["interface"]
                ],
            )
            for file in stopped["captures"]
        ]

    fetching = {side: session.pool.submit(finished, side) for side in Side}
    for side, comparing in fetching.items():
        collected.captures[side] = tuple(future.result() for future in comparing.result())


def _compared(
    session: Session,
    side: Side,
    file: CaptureFile,
    content: bytes,
    *,
    stop_requested_ns: int,
    away: Sequence[tuple[int, int]],
) -> CaptureOfInterface:
    witness, interface = session.network.witness, file["interface"]
    return CaptureOfInterface(
        interface=interface,
        content=content,
        about=file,
        agreement=witness.agreement(
            side, interface, content, stop_requested_ns=stop_requested_ns, away=away
        )
        if witness
        else None,
    )
