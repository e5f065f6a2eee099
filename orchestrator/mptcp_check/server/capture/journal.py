"""What is kept of a session's capture beside its packets, so that a restart can go on with it.

``order.json`` is there from the start, ``flows.jsonl`` has every connection that became the
session's, and ``summary.json`` is written last: without it the capture runs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mptcp_appliance import durable
from mptcp_check.server.capture.flow import Flow
from mptcp_check.server.capture.flow_groups import End, FlowKey
from mptcp_check.server.capture.handshakes import Handshake
from mptcp_check.server.capture.service import Order
from mptcp_check.server.capture.summary import Interruption, Summary, from_document

ORDER, FLOWS, SUMMARY = "order.json", "flows.jsonl", "summary.json"


class Begun(NamedTuple):
    """A capture that runs, or ran when its service ended."""

    order: Order
    started_ns: int
    interruptions: tuple[Interruption, ...] = ()


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of one session's capture."""

    folder: Path

    @property
    def is_ended(self) -> bool:
        """Whether the capture was stopped."""
        return (self.folder / SUMMARY).exists()

    def begin(self, begun: Begun) -> None:
        """Write down what is captured, in place of what was written before.

        Raises:
            OSError: There is no room.
        """
        order, started_ns, interruptions = begun
        said = [asdict(one) for one in interruptions]
        document = {**asdict(order), "started_ns": started_ns, "interruptions": said}
        _write(self.folder / ORDER, document)

    def begun(self) -> Begun:
        """Return what `begin` wrote.

        Raises:
            OSError: It wrote nothing.
            ValueError: It was not written by this program; as the next two.
            KeyError: Something is missing in it.
            TypeError: Something in it is of another kind.
        """
        document: Any = json.loads((self.folder / ORDER).read_text())
        if not isinstance(document, dict):
            raise TypeError("an order is a table")
        started_ns: int = document.pop("started_ns")
        interruptions = tuple(Interruption(**one) for one in document.pop("interruptions"))
        return Begun(Order(**document), started_ns, interruptions)

    def add(self, flow: Flow) -> None:
        """Write down a connection.

        Raises:
            OSError: There is no room.
        """
        with (self.folder / FLOWS).open("a") as file:
            file.write(json.dumps(_flow_document(flow)) + "\n")

    def flows(self, session_id: str) -> Iterator[tuple[FlowKey, Flow]]:
        """Give the connections that were written down.

        Raises:
            OSError: They cannot be read.
        """
        path = self.folder / FLOWS
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                found = _flow(json.loads(line), session_id)
            except (ValueError, KeyError, TypeError):
                continue  # the last line, cut by the crash
            yield found

    def end(self, summary: Summary) -> None:
        """Write down how a capture ended.

        Raises:
            OSError: There is no room.
        """
        _write(self.folder / SUMMARY, summary.document())

    def summary(self) -> Summary | None:
        """Return how a capture ended; none if it did not, or never was."""
        try:
            return from_document(json.loads((self.folder / SUMMARY).read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _flow_document(flow: Flow) -> dict[str, Any]:
    return {
        "initiator": flow.initiator,
        "responder": flow.responder,
        "initiator_isn": flow.initiator_isn,
        "responder_isn": flow.responder_isn,
        "first_ns": flow.first_ns,
        "handshake": asdict(flow.handshake),
        "initiator_tokens": sorted(flow.initiator_tokens),
        "responder_tokens": sorted(flow.responder_tokens),
    }


def _flow(document: dict[str, Any], session_id: str) -> tuple[FlowKey, Flow]:
    initiator, responder = End(*document["initiator"]), End(*document["responder"])
    flow = Flow(
        initiator=initiator,
        responder=responder,
        initiator_isn=document["initiator_isn"],
        responder_isn=document["responder_isn"],
        first_ns=document["first_ns"],
        handshake=Handshake(**document["handshake"]),
        initiator_tokens=set(document["initiator_tokens"]),
        responder_tokens=set(document["responder_tokens"]),
        session_id=session_id,
        spoke=True,
    )
    low, high = sorted((initiator, responder))
    return FlowKey(*low, *high), flow


def _write(path: Path, document: Mapping[str, Any]) -> None:
    durable.replace(path, json.dumps(document).encode(), mode=0o640)
