"""A collector as it is served: the program itself, on a port of this computer."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

DEADLINE_S = 120


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def configured(folder: Path, port: int, *, judging: bool = False) -> Path:
    path = folder / "collector.toml"
    path.write_text(f"""
        state = "{folder / "state"}"
        public_url = "http://127.0.0.1:{port}"
        listen_port = {port}
        [limits]
        free_bytes = 1048576
        requests_per_minute = 1000000
        [analysis]
        enabled = {str(judging).lower()}
    """)
    return path


@contextmanager
def served(configuration: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program; give it when it answers."""
    command = "from mptcp_check.cli.main import main; main()"
    with (configuration.parent / "said").open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", command, "collector", "serve", "--config", str(configuration)],
            stdout=said,
            stderr=said,
        )
    try:
        for _ in range(DEADLINE_S * 5):
            try:
                url = f"http://127.0.0.1:{port}/api/v1/health"
                # without TLS there is nothing to verify, and authorities take long to read
                if httpx2.get(url, verify=False).status_code == 200:
                    break
            except httpx2.TransportError:
                assert process.poll() is None, (configuration.parent / "said").read_text()
                threading.Event().wait(0.2)
        else:
            pytest.fail("the collector does not answer")
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_S)
