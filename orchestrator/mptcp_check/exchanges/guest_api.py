"""The guest agent's protocol, seen from the orchestrator: lines out, checked results in.

The messages themselves are `mptcp_guest.messages`, so that both ends use one definition.  PURE:
whoever holds the channel to the guest writes the lines and waits for the answers.
"""

import json
from collections.abc import Mapping
from typing import Any

from mptcp_check.errors import MachineError
from mptcp_guest.checking import MisfitError, checked
from mptcp_guest.messages import Error
from mptcp_guest.verbs import VERBS

RESPONSE_LIMIT_BYTES = 8 * 1024 * 1024
"""No answer of the agent is longer; a longer line is not an answer."""


class GuestError(MachineError):
    """The agent in a guest said no.

    Args:
        machine: Which guest.
        verb: What it was asked for.
        error: Its answer.
    """

    def __init__(self, machine: str, verb: str, error: Error) -> None:
        super().__init__(f"{machine}: {verb}: {error['message']}", hint="")
        self.kind = error["kind"]


def request_line(
    number: int, verb: str, arguments: Mapping[str, Any] | None = None, *, within_s: float | None
) -> bytes:
    """Return a request as a line.

    Args:
        number: Repeated in the answer.
        verb: A name of `VERBS`.
        arguments: As the verb's type says; none is an empty object.
        within_s: The agent's own deadline; none is the verb's.

    Raises:
        ValueError: The verb does not exist or the arguments do not fit: the caller's mistake.
    """
    if verb not in VERBS:
        raise ValueError(f"no verb {verb}")
    try:
        checked(dict(arguments or {}), VERBS[verb].arguments, verb)
    except MisfitError as misfit:
        raise ValueError(str(misfit)) from misfit
    request: dict[str, Any] = {"id": number, "verb": verb, "arguments": dict(arguments or {})}
    if within_s is not None:
        request["deadline_s"] = within_s
    return json.dumps(request).encode() + b"\n"


def result_of(line: bytes, *, number: int, verb: str, machine: str) -> dict[str, Any]:
    """Return the result that an answer carries, of the type that `VERBS` names.

    Args:
        line: One line of the agent's output.
        number: The request's.
        verb: The request's.
        machine: Name of the guest, for messages.

    Raises:
        GuestError: The agent answered that it could not.
        MachineError: The line is no answer to that request.
    """
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError) as cause:
        raise _strange(machine, verb, line) from cause
    if not isinstance(answer, dict) or answer.get("id") != number:
        raise _strange(machine, verb, line)
    try:
        if answer.get("ok") is True:
            result: dict[str, Any] = checked(answer.get("result"), VERBS[verb].result, verb)
            return result
        error: Error = checked(answer.get("error"), Error, verb)
    except MisfitError as misfit:
        raise MachineError(
            f"{machine}: the guest's answer does not fit: {misfit}",
            hint="the program in the guest is of another version; remove the image cache",
        ) from misfit
    raise GuestError(machine, verb, error)


def _strange(machine: str, verb: str, line: bytes) -> MachineError:
    return MachineError(
        f"{machine}: {verb}: the guest answered {line[:80]!r}",
        hint="look at the machine's console log in the run directory",
    )
