"""What several modules ask."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from measurement_server import parts
from mptcp_check.session_client.connection import Connection
from session_wire import SERVER, Wire


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Give a server whose application answers whatever a `Connection` asks."""
    with parts(tmp_path) as server:
        made = Wire(server, server.client())

        def ask(
            self: Connection, method: str, path: str, *, ticket: str = "", document: object = None
        ) -> dict[str, Any]:
            return made.ask(self, method, path, ticket, document)

        def fetch(
            self: Connection, path: str, *, ticket: str, file: BinaryIO, limit_bytes: int
        ) -> str:
            headers = {"authorization": f"Bearer {ticket}"}
            answer = made.client.get(path, headers=headers)
            assert len(answer.content) <= limit_bytes
            file.write(answer.content)
            return "ab" * 32 if self.server is SERVER else hashlib.sha256(b"").hexdigest()

        monkeypatch.setattr(Connection, "ask", ask)
        monkeypatch.setattr(Connection, "fetch", fetch)
        yield made
