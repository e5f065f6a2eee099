"""The application servers run as whom the operator says, not as Debian's user for web servers."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from mptcp_check.exchanges import APPLICATIONS
from system.public_server import public_server
from system.real_site import Site

pytestmark = pytest.mark.lab

USER = "games"
"""Some user that every Debian has; the systemd units have one of their own."""

APPS = ("ftp", "git", "imap", "mqtt", "pop3", "redis")
"""Whose programs keep files or change users by themselves."""


def owners(paths: Iterable[Path]) -> set[str]:
    """Return whose files these are; one may vanish while it is looked at."""
    found = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found.add(path.owner())
    return found


def test_every_application_that_keeps_files_serves_as_another_user(place: Site) -> None:
    services = tuple(APPLICATIONS[app].service for app in APPS)
    with public_server(place, apps=services, services=f'user = "{USER}"') as server:
        said = place.call(
            "laptop",
            *("run", "--json", "--metered", "--apps", ",".join(APPS)),
            *("--machine", "host", "--iface", "lan0", "--iface", "lan1", *server.option),
        )
        kept = owners((server.folder / "services").rglob("*"))
        running = owners(Path(f"/proc/{pid}") for pid in server.pids("dovecot"))

    assert said.code == 0, said.err
    exchanges = said.document["exchanges"]
    assert {(e["app"], e["outcome"]) for e in exchanges} == {
        (app, transport) for app in APPS for transport in ("tcp", "mptcp")
    }
    assert all(e["sha256_ok"] for e in exchanges)
    assert kept == running == {USER}
