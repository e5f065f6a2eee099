"""One tcpdump per interface of a namespace, started before and stopped after an exchange."""

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from mptcp_check.analysis.capture.pcapng_writer import InterfaceCapture

_STOP_TIMEOUT_S = 60
_COUNTS = re.compile(rb"(\d+) packets? (captured|received by filter|dropped by kernel)")


class Captures:
    """Filled when the `capturing` block ends."""

    def __init__(self) -> None:
        self.by_namespace: dict[str, tuple[InterfaceCapture, ...]] = {}


@contextlib.contextmanager
def capturing(interfaces: Mapping[str, tuple[str, ...]], directory: Path) -> Iterator[Captures]:
    """Capture TCP on interfaces of namespaces while the block runs.

    Args:
        interfaces: Interface names by namespace.
        directory: An empty one, for the files.
    """
    captures = Captures()
    running: list[tuple[str, str, Path, subprocess.Popen[bytes]]] = []
    try:
        for namespace, names in interfaces.items():
            for interface in names:
                path = directory / f"{namespace}-{interface}.pcap"
                running.append((namespace, interface, path, _start(namespace, interface, path)))
        for _, _, _, process in running:
            _await_listening(process)
        # what came before its filter was in place is counted, and never written
        unwritten = [_unwritten_count(process) for _, _, _, process in running]
        yield captures
        for (namespace, interface, path, process), before in zip(running, unwritten, strict=True):
            _await_written(process, before)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=_STOP_TIMEOUT_S)
            counts = _counted(errors)
            captures.by_namespace[namespace] = (
                *captures.by_namespace.get(namespace, ()),
                InterfaceCapture(
                    name=interface,
                    octets=path.read_bytes(),
                    received_count=counts[b"received by filter"],
                    dropped_count=counts[b"dropped by kernel"],
                ),
            )
    finally:
        for _, _, _, process in running:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def _start(namespace: str, interface: str, path: Path) -> subprocess.Popen[bytes]:
    tcpdump = ["tcpdump", "-i", interface, "-w", str(path), "--immediate-mode", "-U", "-n"]
    settings = ["-s", "0", "-B", "8192", "-Z", "root", "--time-stamp-precision=nano", "tcp"]
    # It dies with the thread that started it, so a killed test leaves no capture running.
    prefix = ["ip", "netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL"]
    return subprocess.Popen([*prefix, *tcpdump, *settings], stderr=subprocess.PIPE)


def _await_listening(process: subprocess.Popen[bytes]) -> None:
    errors: IO[bytes] | None = process.stderr
    assert errors is not None
    lines = []
    for line in errors:
        lines.append(line)
        if b"listening on" in line:
            return
    raise RuntimeError(f"tcpdump did not start: {b''.join(lines)!r}")


def _counted(errors: bytes) -> dict[bytes, int]:
    return {what: int(number) for number, what in _COUNTS.findall(errors)}


def _unwritten_count(process: subprocess.Popen[bytes]) -> int:
    """Ask how many packets tcpdump has not written of those that the filter let pass."""
    errors: IO[bytes] | None = process.stderr
    assert errors is not None
    process.send_signal(signal.SIGUSR1)  # tcpdump(8): report and go on
    said = b""
    while b"dropped by kernel" not in said:
        line = errors.readline()
        assert line, f"tcpdump ended: {said!r}"
        said += line
    counts = _counted(said)
    return counts[b"received by filter"] - counts[b"captured"]


def _await_written(process: subprocess.Popen[bytes], before: int) -> None:
    """Wait until tcpdump has written what came: it leaves what waits when it is interrupted."""
    end = time.monotonic() + _STOP_TIMEOUT_S  # noqa: TID251 - a test
    while _unwritten_count(process) > before and time.monotonic() < end:  # noqa: TID251 - a test
        time.sleep(0.01)
