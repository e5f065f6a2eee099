"""How fast is the switch?  Its ratio to socat, which relays the same bytes without looking at them.

    .venv/bin/python benchmarks/switch_throughput.py

A sender streams frames of 1514 bytes, framed as QEMU does, through two unix sockets; a receiver
counts them.  In between is either ``socat`` (from the distribution's packages), or the switch:
with an empty chain, with the default link's code at a rate that never limits, with a record of
every frame, and behind a box that looks into every TCP header.  Sender and receiver are the same
program and the same process in every case, and take their part of the processor each time.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mptcp_check.machines.stream_framing import framed
from mptcp_check.machines.switch import Switch
from mptcp_check.middleboxes.address_translated import AddressTranslated, parameters_of_link
from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.link import Link, Parameters
from mptcp_check.middleboxes.mp_capable_removed_from_syn import MpCapableRemovedFromSyn
from wire_frames import DSS, tcp_frame

FRAME_COUNT = 60_000
BURST_COUNT = 40
WINDOW_COUNT = 2_000
"""Frames in flight: less than the switch's queue holds, so that nothing is dropped."""
FRAME = tcp_frame(options=DSS, payload=bytes(1440))
FRAME_BYTES = len(framed(FRAME))

Ends = tuple[socket.socket, socket.socket]


def connect(path: Path) -> socket.socket:
    """Connect to a unix socket as soon as somebody listens there."""
    end = socket.socket(socket.AF_UNIX)
    for _ in range(1000):
        try:
            end.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.005)
        else:
            return end
    raise SystemExit(f"nobody listens at {path}")


@contextmanager
def socat(directory: Path) -> Iterator[Ends]:
    """Give two sockets that socat joins."""
    paths = (directory / "a", directory / "b")
    listeners = [f"UNIX-LISTEN:{path}" for path in paths]
    relay = subprocess.Popen(["socat", "-b", "262144", *listeners])
    with ExitStack() as stack:
        ends = tuple(stack.enter_context(connect(path)) for path in paths)
        yield ends[0], ends[1]
    relay.wait(10)


@contextmanager
def switch(directory: Path, *boxes: Behaviour, record: bool = False) -> Iterator[Ends]:
    """Give two sockets that the switch joins, with boxes between them."""
    between = Switch([Chain(boxes)], directory=directory)
    between.start()
    with ExitStack() as stack:
        stack.callback(between.stop)
        ends = [stack.enter_context(connect(between.socket_path(0, port))) for port in (0, 1)]
        while any(status.state != "connected" for status in between.status()[0]):
            time.sleep(0.005)
        if record:
            between.record()
        yield ends[0], ends[1]


def megabits_per_second(ends: Ends) -> float:
    """Send all frames with a bounded number in flight and return the rate of arrival."""
    burst = framed(FRAME) * BURST_COUNT
    arrived_bytes = 0
    room = threading.Condition()

    def send() -> None:
        for sent_count in range(0, FRAME_COUNT, BURST_COUNT):
            with room:
                room.wait_for(lambda: sent_count - arrived_bytes // FRAME_BYTES < WINDOW_COUNT)  # noqa: B023 - called at once
            ends[0].sendall(burst)

    sender = threading.Thread(target=send, daemon=True)
    ends[1].settimeout(10)
    started = time.perf_counter()
    sender.start()
    while arrived_bytes < FRAME_COUNT * FRAME_BYTES:
        piece = ends[1].recv(262_144)
        with room:
            arrived_bytes += len(piece)
            room.notify()
    return arrived_bytes * 8 / 1e6 / (time.perf_counter() - started)


def main() -> None:
    """Print a line for each case, the best of three."""
    if shutil.which("socat") is None:
        raise SystemExit("this needs socat: apt-get install socat, or brew install socat")
    unlimited = Parameters(rate_bps=10**12, delay_ns=0, queue_bytes=10**9)
    cases: dict[str, Callable[[Path], object]] = {
        "socat": socat,
        "switch, empty chain": switch,
        "switch, link": lambda d: switch(d, Link(unlimited)),
        "switch, link, recording": lambda d: switch(d, Link(unlimited), record=True),
        "switch, link, options looked at": lambda d: switch(
            d, MpCapableRemovedFromSyn(), Link(unlimited)
        ),
        "switch, link, every packet translated": lambda d: switch(
            d, AddressTranslated(parameters_of_link(0)), Link(unlimited)
        ),
    }
    base = 0.0
    for name, between in cases.items():
        rates = []
        for _ in range(3):
            with tempfile.TemporaryDirectory() as directory, between(Path(directory)) as ends:
                rates.append(megabits_per_second(ends))
        best = max(rates)
        base = base or best
        thousands = best * 1e3 / (len(FRAME) * 8)
        print(f"{name:40} {best:8.0f} Mbit/s {thousands:7.1f} kpps   {best / base:5.2f} of socat")


if __name__ == "__main__":
    main()
