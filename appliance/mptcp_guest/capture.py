"""One tcpdump per interface: whole packets, the exchanges' only, and every loss told.

Per interface and not ``-i any``, which loses the link layer and the interface's name.
``--immediate-mode`` and ``-U``: each packet is in the file at once, so that stopping loses none.
``-Z root``: tcpdump would change to a user who may not write here.
"""

import base64
import re
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from mptcp_guest import capture_port, handshakes, messages, pcap_file
from mptcp_guest.lab import Lab
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline

BUFFER_KIB = 8192
"""The kernel's ring per interface: 1.5 s of the links' 40 Mbit/s."""

DRAIN_POLL_S = 0.15
"""How long nothing may have come before a capture is at rest."""
DRAIN_LIMIT_S = 10.0
WORD_S = 0.01
"""How often to look whether tcpdump has said something."""
REPORT_LIMIT_S = 5.0
REPORTED = "dropped by kernel"
EXIT_LIMIT_S = 20.0
NEARLY_FULL_BYTES = 65536
FETCH_BYTES = 3 * 1024 * 1024
"""Of one part of a capture: 4 MiB as base64, half of what an answer may be."""

COUNTS = {
    "captured": "captured_count",
    "received by filter": "received_count",
    "dropped by kernel": "dropped_count",
    "dropped by interface": "interface_dropped_count",
}
"""How tcpdump words its last lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A tcpdump at work."""

    interface: str
    path: Path
    log: Path
    child: Popen[bytes]
    at_start: dict[str, int] = field(default_factory=dict)
    """What it had counted before the first exchange: libpcap lets packets go that came before its
    filter was in place, but the kernel counts them as received."""

    def words(self) -> str:
        """Return the end of what it said."""
        return self.log.read_text(errors="replace")[-1000:].strip()


class Captures:
    """The captures of a run: started together, stopped together."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._running: list[Running] = []
        self._finished: dict[str, Path] = {}
        self._looked_at: dict[Path, int] = {}
        """How far `handshakes` has looked into each file."""

    def start(
        self, arguments: messages.CaptureStartArguments, until: Deadline
    ) -> messages.CaptureStartResult:
        """Start one per interface; they run when tcpdump says that it listens.

        Raises:
            RefusalError: One does not come to listen; then none runs.
        """
        if self._running:
            raise RefusalError("bad_arguments", "captures are running already: capture_stop first")
        if not arguments["filter"].strip():
            raise RefusalError("bad_arguments", "without a filter neighbours would be recorded")
        self._looked_at.clear()
        directory = Path(arguments.get("directory", self._lab.work_directory / "captures"))
        # whole packets are nobody else's business on a machine with other users
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            for interface in arguments["interfaces"]:
                self._running.append(self._start(interface, arguments["filter"], directory))
            for running in self._running:
                self._await_listening(running, until)
            for running, counts in zip(self._running, self._reports(), strict=True):
                running.at_start.update(counts)
        except (RefusalError, OSError):
            self.end()
            raise
        return messages.CaptureStartResult(
            captures=[
                messages.CaptureStarted(interface=running.interface, path=str(running.path))
                for running in self._running
            ]
        )

    def state(self) -> messages.CaptureStateResult:
        """Return how far they are, and whether something is already wrong."""
        places = [running.path.parent for running in self._running]
        free_bytes = min(map(_free_bytes, places or [self._lab.work_directory]))
        return messages.CaptureStateResult(
            captures=[
                messages.CaptureProgress(
                    interface=running.interface,
                    alive=running.child.poll() is None,
                    bytes=running.path.stat().st_size if running.path.exists() else 0,
                    problem=_early_problem(running, free_bytes),
                )
                for running in self._running
            ],
            free_bytes=free_bytes,
        )

    def handshakes(self) -> messages.HandshakesResult:
        """Return the answered handshakes since the last time this was asked."""
        found: list[messages.Handshake] = []
        for running in self._running:
            if running.path.exists():
                new = handshakes.since(running.path, self._looked_at.get(running.path, 0))
                self._looked_at[running.path] = new.end_bytes
                found += [one for one in new.handshakes if one not in found]
        return messages.HandshakesResult(handshakes=found)

    def stop(self, until: Deadline) -> messages.CaptureStopResult:
        """Let them drain, stop them, and say what they hold and what they lost."""
        readings = [pcap_file.Reading(running.path) for running in self._running]
        resting = self._at_rest(until.earlier(DRAIN_LIMIT_S), readings)
        died = [running.child.poll() for running in self._running]
        for running in self._running:  # the kernel takes its time for each: all at once
            running.child.send_signal(signal.SIGINT)
        finished = [
            self._finish(running, reading, at_rest=counts, died=code)
            for running, reading, counts, code in zip(
                self._running, readings, resting, died, strict=True
            )
        ]
        self._finished = {running.interface: running.path for running in self._running}
        self._running.clear()
        return messages.CaptureStopResult(captures=finished)

    def fetch(self, arguments: messages.FetchArguments) -> messages.FetchResult:
        """Return a part of a finished capture.

        Raises:
            RefusalError: There is none of that interface.
        """
        path = self._path(arguments["interface"])
        if arguments["offset_bytes"] < 0:
            raise RefusalError("bad_arguments", "offset_bytes: not below 0")
        with path.open("rb") as file:
            file.seek(arguments["offset_bytes"])
            part = file.read(FETCH_BYTES)
        return messages.FetchResult(base64=base64.b64encode(part).decode())

    def send(self, arguments: messages.SendArguments, until: Deadline) -> None:
        """Send a finished capture out of the machine by one of its ports.

        Raises:
            RefusalError: There is no such capture or port, or nobody reads it.
        """
        path = self._path(arguments["interface"])
        port = capture_port.device(arguments["port"])
        capture_port.send(path, port, stop=self._lab.stop, until=until)

    def end(self) -> None:
        """Stop them without looking at what they hold."""
        for running in self._running:
            self._lab.end(running.child, first=signal.SIGINT)
        self._running.clear()

    def _path(self, interface: str) -> Path:
        path = self._finished.get(interface)
        if path is None:
            raise RefusalError("bad_arguments", f"no capture of {interface!r}")
        return path

    def _start(self, interface: str, expression: str, directory: Path) -> Running:
        path, log = directory / f"{interface}.pcap", directory / f"{interface}.log"
        path.unlink(missing_ok=True)
        with log.open("wb") as words:
            child = self._lab.start(
                self._lab.inside(
                    command(
                        interface,
                        path,
                        expression,
                        frame_bytes=self._lab.frame_bytes.get(interface, 0),
                    )
                ),
                stderr=words,
            )
        return Running(interface=interface, path=path, log=log, child=child)

    def _await_listening(self, running: Running, until: Deadline) -> None:
        def settled() -> bool:
            return "listening on" in running.words() or running.child.poll() is not None

        listening = self._lab.stop.wait_until(settled, until, every_s=WORD_S)
        if not listening or running.child.poll() is not None:
            raise RefusalError(
                "failed" if listening else "deadline",
                f"tcpdump on {running.interface} does not listen: {running.words()}",
            )

    def _at_rest(
        self, until: Deadline, readings: Sequence[pcap_file.Reading]
    ) -> list[dict[str, int]]:
        """Wait until all that the filters let pass is written; return what each had counted then.

        That the files do not grow is not enough: a busy computer may let a tcpdump wait.
        """
        while True:
            self._drain(until, readings)
            resting = self._reports()
            if not until.left_s or not any(
                lags(running.at_start, counts)
                for running, counts in zip(self._running, resting, strict=True)
            ):
                return resting

    def _drain(self, until: Deadline, readings: Sequence[pcap_file.Reading]) -> None:
        """Wait until nothing came for a while; read meanwhile what there is."""
        sizes = self._sizes()
        before: list[int] | None = None
        while before != sizes and until.left_s:
            moment = Deadline.after(DRAIN_POLL_S)
            for reading in readings:
                reading.go_on()
            self._lab.stop.wait(moment.left_s)
            before, sizes = sizes, self._sizes()

    def _sizes(self) -> list[int]:
        return [r.path.stat().st_size for r in self._running if r.path.exists()]

    def _reports(self) -> list[dict[str, int]]:
        """Return what each tcpdump has counted so far; nothing for one that does not say."""
        before: dict[str, int] = {}
        for running in self._running:
            if running.child.poll() is None:
                before[running.interface] = running.words().count(REPORTED)
                running.child.send_signal(signal.SIGUSR1)  # tcpdump(8): report and go on

        def said(running: Running) -> bool:
            name = running.interface
            return name in before and running.words().count(REPORTED) > before[name]

        self._lab.stop.wait_until(
            lambda: all(said(running) for running in self._running if running.interface in before),
            Deadline.after(REPORT_LIMIT_S),
            every_s=WORD_S,
        )
        return [parse_counts(r.words()) if said(r) else {} for r in self._running]

    def _finish(
        self,
        running: Running,
        reading: pcap_file.Reading,
        *,
        at_rest: dict[str, int],
        died: int | None,
    ) -> messages.CaptureFile:
        self._lab.end(running.child, first=signal.SIGINT, grace_s=EXIT_LIMIT_S)
        counts = parse_counts(running.words())
        free_bytes = _free_bytes(running.path.parent)
        reading.go_on()
        held = reading.contents
        problem = problem_of(
            held,
            counts,
            at_start=running.at_start,
            at_rest=at_rest,
            died=died,
            free_bytes=free_bytes,
            words=running.words(),
        )
        return messages.CaptureFile(
            interface=running.interface,
            path=str(running.path),
            bytes=reading.size_bytes,
            sha256=reading.sha256,
            packet_count=held.packet_count,
            captured_count=counts.get("captured_count"),
            received_count=counts.get("received_count"),
            dropped_count=counts.get("dropped_count"),
            interface_dropped_count=counts.get("interface_dropped_count"),
            problem=problem,
        )


def command(interface: str, path: Path, expression: str, *, frame_bytes: int = 0) -> list[str]:
    """Return the tcpdump that captures an interface; PURE.

    Args:
        interface: Which.
        path: Of the capture.
        expression: Of pcap-filter.
        frame_bytes: The longest frame there can be: the kernel's ring has slots of that size, so
            it holds many more.  0 is no limit.
    """
    # -p: what a neighbour sends to another neighbour is not even looked at
    how = ["-p", "--immediate-mode", "-U", "-n", "-s", str(frame_bytes), "-Z", "root"]
    how += ["-B", str(BUFFER_KIB)]
    return ["tcpdump", "-i", interface, *how, "--nano", "-w", str(path), "--", expression]


def parse_counts(words: str) -> dict[str, int]:
    """Return what tcpdump counted, by the names of `COUNTS`; PURE."""
    found = re.findall(rf"(\d+) packets? ({'|'.join(COUNTS)})", words)
    return {COUNTS[wording]: int(number) for number, wording in found}


def problem_of(
    held: pcap_file.Contents,
    counts: dict[str, int],
    *,
    at_start: dict[str, int],
    at_rest: dict[str, int],
    died: int | None,
    free_bytes: int,
    words: str,
) -> str | None:
    """Say why a capture is not the whole truth, or none; PURE.

    Args:
        held: What the file holds.
        counts: From `parse_counts`, at its end.
        at_start: The same before the first exchange.
        at_rest: The same after the last exchange, when it had drained: where nothing more was
            missing than at the start, what came later (a FIN sent again) is none of theirs.
        died: tcpdump's exit code when it ended before it was asked to.
        free_bytes: Left on the disk the file is on.
        words: The end of what tcpdump said.
    """
    captured, received = counts.get("captured_count"), counts.get("received_count")
    lost = {name: counts.get(name, 0) for name in ("dropped_count", "interface_dropped_count")}
    full = ": No space left on device" if free_bytes < NEARLY_FULL_BYTES else ""
    if died is not None:
        return f"tcpdump ended by itself with exit code {died}{full}: {words}"
    if captured is None or received is None:
        return f"tcpdump did not say what it captured{full}: {words}"
    if not held.whole or held.packet_count != captured:
        return f"tcpdump captured {captured} packets, the file holds {held.packet_count}{full}"
    if any(lost.values()):
        return f"{sum(lost.values())} packets were dropped ({lost})"
    unwritten = [_unwritten_count(seen) for seen in (at_start, at_rest)]
    complete = None not in unwritten and unwritten[0] == unwritten[1]
    if captured != received and not complete:
        return f"the filter let {received} packets pass, tcpdump wrote {captured}"
    return None


def lags(at_start: dict[str, int], now: dict[str, int]) -> bool:
    """Say whether tcpdump has to write some of what came since its start; PURE.

    What it did not count is not waited for.
    """
    before, after = _unwritten_count(at_start), _unwritten_count(now)
    return before is not None and after is not None and after > before


def _unwritten_count(counts: dict[str, int]) -> int | None:
    if "captured_count" not in counts or "received_count" not in counts:
        return None
    return counts["received_count"] - counts["captured_count"]


def _early_problem(running: Running, free_bytes: int) -> str | None:
    if running.child.poll() is not None:
        return (
            f"tcpdump ended by itself with exit code {running.child.returncode}: {running.words()}"
        )
    if free_bytes < NEARLY_FULL_BYTES:
        return f"No space left on device: {free_bytes} bytes where {running.path.name} is written"
    return None


def _free_bytes(directory: Path) -> int:
    return shutil.disk_usage(directory).free
