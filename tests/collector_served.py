"""A collector as it is served: the program itself, on a port of this computer."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from mptcp_check.machines.namespace import entered
from mptcp_collector.serving import LISTENING

DEADLINE_S = 120


def configured(folder: Path, *, judging: bool = False, more: str = "", tables: str = "") -> Path:
    """Write a configuration: any free port, and everything in a folder; more settings, tables."""
    path = folder / "collector.toml"
    path.write_text(f"""
        state = "{folder / "state"}"
        public_url = "https://collector.example"
        listen_port = 0
        {more}
        [limits]
        free_bytes = 1048576
        requests_per_minute = 1000000
        netblock_bytes_per_day = 1099511627776
        [analysis]
        enabled = {str(judging).lower()}
        {tables}
    """)
    return path


@dataclass(frozen=True)
class Served:
    """The program, and where it answers."""

    process: subprocess.Popen[bytes]
    url: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])


@contextmanager
def served(
    configuration: Path, *, host: str = "127.0.0.1", namespace: str = ""
) -> Iterator[Served]:
    """Run the program; give it when it answers, at the port that it says it has.

    Args:
        configuration: Its file.
        host: Where that lets it listen.
        namespace: The network namespace in which it runs; empty for the test's own.
    """
    command = "from mptcp_check.cli.main import main; main()"
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    said = configuration.parent / "said"
    with said.open("ab") as log:
        before = log.tell()
        process = subprocess.Popen(
            [
                *(*inside, sys.executable, "-c", command),
                *("collector", "serve", "--config", str(configuration)),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(DEADLINE_S * 10):
            _, found, rest = said.read_bytes()[before:].decode().partition(LISTENING)
            if found and "\n" in rest:
                break
            assert process.poll() is None, said.read_text()
            threading.Event().wait(0.1)
        else:
            pytest.fail("the collector does not listen")
        url = f"http://{host}:{int(rest.split()[0])}"
        # the socket listens already: whoever connects waits for the application
        with entered(namespace) if namespace else nullcontext():
            health = httpx2.get(f"{url}/api/v1/health", timeout=DEADLINE_S, verify=False)
        assert health.status_code == 200
        yield Served(process, url)
    finally:
        process.kill()
        process.wait(DEADLINE_S)
