"""A session's server as its application answers, without a socket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from measurement_server import Parts
from mptcp_check.machines import session_server
from mptcp_check.machines.missing_programs import WantedApps
from mptcp_check.machines.wishes import SessionWish
from mptcp_check.server.problem import URN
from mptcp_check.session_client.connection import Connection, RefusedError
from mptcp_check.session_client.server_list import KnownServer

SERVER = KnownServer(host="192.0.2.1", port=34380)


@dataclass
class Wire:
    """Asks the server's application as `Connection` does over HTTPS."""

    parts: Parts
    client: TestClient
    asked: list[tuple[str, str]] = field(default_factory=list)

    def ask(
        self, connection: Connection, method: str, path: str, ticket: str, document: object
    ) -> dict[str, Any]:
        self.asked.append((method, path.rpartition("/")[2]))
        headers = {"authorization": f"Bearer {ticket}"} if ticket else {}
        answer = self.client.request(method, path, json=document, headers=headers)
        if answer.status_code >= 400:
            said = answer.json()
            raise RefusedError(
                connection.server,
                name=said["type"].removeprefix(URN),
                title=said["title"],
                status=answer.status_code,
            )
        found: dict[str, Any] = json.loads(answer.content or b"{}")
        return found


@contextmanager
def having(
    wire: Wire,
    folder: Path,
    *servers: KnownServer,
    apps: tuple[str, ...] = ("http",),
    named: bool = True,
    keeps: bool = False,
) -> Iterator[tuple[session_server.MeasurementServer, list[str]]]:
    said: list[str] = []
    with session_server.server_by_session(
        SessionWish(servers=servers or (SERVER,), text="/home/me/servers.toml", keeps=keeps),
        run_id="01hzy0run0000000000000000",
        apps=WantedApps(names=apps, named=named),
        scratch=folder,
        wall_ns=wire.parts.clock,
        say=said.append,
    ) as server:
        yield server, said
