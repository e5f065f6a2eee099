"""The agent: a table of verbs, and the way from a request line to an answer line.

One request at a time and in order: what is measured is never disturbed by a second question, and
the lab's state needs no locks.  Going away is the one thing that is heard at any moment.
"""

import json
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from mptcp_guest import counters, exchange, first_hop, machine, messages, survey
from mptcp_guest.capture import Captures
from mptcp_guest.checking import MisfitError, checked
from mptcp_guest.lab import Lab
from mptcp_guest.network import Network
from mptcp_guest.refusal import RefusalError
from mptcp_guest.serving.services import Services
from mptcp_guest.verbs import VERBS
from mptcp_guest.waiting import Deadline

REQUEST_LIMIT_BYTES = 1024 * 1024
DEADLINE_LIMIT_S = 3600
TRACEBACK_CHARACTERS = 2000

VerbTable = Mapping[str, Callable[[Any, Deadline], Any]]
"""What does each verb: checked arguments and a deadline in, a result of the verb's type out."""


class Agent:
    """Answers request lines about one lab."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._network = network = Network(lab)
        self._captures = captures = Captures(lab)
        self._services = services = Services(lab)
        self._verbs: VerbTable = {
            "hello": lambda _, until: machine.hello(lab, until),
            "clock": lambda arguments, _: machine.read_clock(lab, arguments),
            "watchdog": lambda arguments, _: machine.arm_watchdog(lab, arguments),
            "power_off": lambda _, __: machine.power_off(lab),
            "survey": lambda _, until: survey.survey(lab, until),
            "lab_up": network.up,
            "lab_down": lambda _, until: self._lab_down(until),
            "configure": network.configure,
            "first_hop": lambda arguments, _: first_hop.ask(lab, arguments),
            "counters": lambda _, __: counters.read(lab),
            "settle": lambda arguments, until: counters.settle(lab, arguments, until),
            "monitor": lambda arguments, _: network.monitor.events(arguments),
            "capture_start": captures.start,
            "capture_state": lambda _, __: captures.state(),
            "capture_stop": lambda _, until: captures.stop(until),
            "capture_fetch": lambda arguments, _: captures.fetch(arguments),
            "capture_send": captures.send,
            "capture_handshakes": lambda _, __: captures.handshakes(),
            "services_start": services.start,
            "services_state": lambda _, __: services.state(),
            "services_stop": lambda _, __: services.stop(),
            "offer": lambda arguments, _: services.offer(arguments),
            "received": lambda arguments, _: services.received(arguments),
            "discard": lambda arguments, _: services.discard(arguments),
            "exchange": lambda arguments, until: exchange.run(lab, arguments, until),
        }

    def answer(self, line: bytes) -> bytes:
        """Return the answer line to a request line; it never raises."""
        number: int | None = None
        try:
            request = _request(line)
            number = request["id"]
            answer = {"id": number, "ok": True, "result": self._do(request)}
        except RefusalError as refusal:
            answer = _error(number, refusal.kind, refusal.message)
        except OSError as error:
            answer = _error(number, "failed", str(error))
        except Exception:  # noqa: BLE001 - a bug in one verb must not take the lab down with it
            answer = _error(number, "bug", traceback.format_exc()[-TRACEBACK_CHARACTERS:])
        return json.dumps(answer).encode() + b"\n"

    def end(self) -> None:
        """Stop everything that was started; one that cannot be stopped keeps no other."""
        steps = (
            self._captures.end,
            self._services.stop,
            self._lab.end_all,
            lambda: self._network.down(Deadline.after(5)),
            self._lab.undo.all,
        )
        for step in steps:
            with suppress(RefusalError, OSError):
                step()

    def _do(self, request: dict[str, Any]) -> object:
        verb = request["verb"]
        declared = VERBS.get(verb)
        if declared is None:
            raise RefusalError("unknown_verb", f"no verb {verb[:40]!r}")
        try:
            arguments = checked(request["arguments"], declared.arguments, verb)
        except MisfitError as misfit:
            raise RefusalError("bad_arguments", str(misfit)) from misfit
        seconds = request.get("deadline_s", declared.deadline_s)
        result = self._verbs[verb](arguments, Deadline.after(seconds))
        return {} if result is None else result

    def _lab_down(self, until: Deadline) -> None:
        self._captures.end()
        self._services.stop()
        self._network.down(until)


def _request(line: bytes) -> dict[str, Any]:
    if len(line) > REQUEST_LIMIT_BYTES:
        raise RefusalError("bad_request", f"a request is at most {REQUEST_LIMIT_BYTES} bytes")
    try:
        request = checked(json.loads(line), messages.Request, "request")
    except (ValueError, RecursionError, MisfitError) as error:
        raise RefusalError("bad_request", f"not a request: {error}") from error
    if not 0 < request.get("deadline_s", 1) <= DEADLINE_LIMIT_S:
        raise RefusalError("bad_request", f"a deadline is at most {DEADLINE_LIMIT_S} s")
    complete: dict[str, Any] = request
    return complete


def _error(number: int | None, kind: messages.ErrorKind, message: str) -> dict[str, Any]:
    return {"id": number, "ok": False, "error": messages.Error(kind=kind, message=message)}
