"""The application servers as the interface's process sees them: over a Unix socket."""

from pathlib import Path
from typing import Any, Final

from mptcp_check.server.line_protocol import ask
from mptcp_check.server.problem import ProblemError
from mptcp_check.server.services.service import Account, FileDigest, ServicesState, state_from
from mptcp_guest.messages import Content

_TIMEOUT_S: Final = 60.0
"""The content of a large file takes its time."""


class RemoteServices:
    """See `service.ServiceHost`; each question has a connection of its own.

    Args:
        control: The services' socket.
    """

    def __init__(self, control: Path) -> None:
        self._control = control

    def available(self) -> bool:
        """Say whether the services answer."""
        try:
            return self._ask("ready") is True
        except ProblemError:
            return False

    def state(self) -> ServicesState:
        """Return how the programs are."""
        return state_from(self._ask("state"))

    def open(self, marker: str, *, until_ns: int, ssh_client_key: str = "") -> Account:
        """Make a session's account."""
        asked = {"marker": marker, "until_ns": until_ns, "ssh_client_key": ssh_client_key}
        return Account(**self._ask("open", **asked))

    def offer(self, marker: str, service: str, name: str, content: Content) -> FileDigest:
        """Make a content ready."""
        given = {"seed": content["seed"], "bytes": content["bytes"]}
        form = content.get("form", "bytes")
        return FileDigest(
            **self._ask(
                "offer", marker=marker, service=service, name=name, content={**given, "form": form}
            )
        )

    def received(self, marker: str, service: str, name: str) -> FileDigest | None:
        """Return what was sent to a service."""
        answer = self._ask("received", marker=marker, service=service, name=name)
        return None if answer is None else FileDigest(**answer)

    def discard(self, marker: str, service: str, name: str) -> None:
        """Remove what a service has."""
        self._ask("discard", marker=marker, service=service, name=name)

    def close(self, marker: str) -> None:
        """Remove a session's account."""
        self._ask("close", marker=marker)

    def _ask(self, verb: str, **arguments: object) -> Any:  # noqa: ANN401 - each verb's own
        return ask(
            self._control,
            {"verb": verb, **arguments},
            timeout_s=_TIMEOUT_S,
            away="services-unavailable",
        )
