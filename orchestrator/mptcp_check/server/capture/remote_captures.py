"""The capture service as the interface's process sees it: over its Unix socket."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from mptcp_check.server.capture import control
from mptcp_check.server.capture.handshakes import Handshakes
from mptcp_check.server.capture.service import FILE, Claim, Order
from mptcp_check.server.capture.summary import Summary, from_document
from mptcp_check.server.line_protocol import ask
from mptcp_check.server.problem import ProblemError

_TIMEOUT_S: Final = 20.0
"""A stop sorts the whole capture and computes its hash."""


class RemoteCaptures:
    """See `service.CaptureService`; each question has a connection of its own.

    Args:
        control_path: The service's socket.
        folder: Where captures are kept.
    """

    def __init__(self, control_path: Path, folder: Path) -> None:
        self._path = control_path
        self._folder = folder

    def available(self) -> bool:
        """Say whether the service answers."""
        try:
            return self._ask({"verb": "ready"}) is True
        except ProblemError:
            return False

    def counts(self) -> dict[str, int]:
        """Return the service's own counts, for metrics; empty while it is away."""
        try:
            answer: dict[str, int] = self._ask({"verb": "counts"})
        except ProblemError:
            return {}
        return answer

    def start(self, order: Order) -> Summary:
        """Start a capture."""
        summary = self._ask({"verb": "start", "order": control.order_document(order)})
        return from_document(summary)

    def stop(self, session_id: str, *, because: str) -> Summary | None:
        """Stop it."""
        return self._summary({"verb": "stop", "session_id": session_id, "because": because})

    def summary(self, session_id: str) -> Summary | None:
        """Return how far it is."""
        return self._summary({"verb": "summary", "session_id": session_id})

    def claim(self, session_id: str, claims: Sequence[Claim]) -> int:
        """Add connections to it."""
        documents = [asdict(one) for one in claims]
        found: int = self._ask({"verb": "claim", "session_id": session_id, "claims": documents})
        return found

    def handshakes(self, session_id: str) -> Handshakes:
        """Return how its connections were opened."""
        return Handshakes(**self._ask({"verb": "handshakes", "session_id": session_id}))

    def file(self, session_id: str) -> Path:
        """Return where its file is."""
        return self._folder / session_id / FILE

    def forget(self, session_id: str) -> None:
        """Remove it."""
        self._ask({"verb": "forget", "session_id": session_id})

    def _summary(self, document: dict[str, Any]) -> Summary | None:
        answer = self._ask(document)
        return None if answer is None else from_document(answer)

    def _ask(self, document: dict[str, Any]) -> Any:  # noqa: ANN401 - each verb's own
        return ask(self._path, document, timeout_s=_TIMEOUT_S, away="capture-unavailable")
