"""The embedded network: a probe and a server machine joined by this program's own switch.

It is what runs when no measurement server is known.  It tests this program's own small network
and not the user's, needs no rights, and makes no packet that leaves the computer.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import numpy as np

from mptcp_check import clock
from mptcp_check.analysis.capture import capture_file
from mptcp_check.errors import MachineError
from mptcp_check.machines import addresses, wire_agreement
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.guest import Guest, fetch, guest
from mptcp_check.machines.interruption import Interruption
from mptcp_check.machines.management import RunKeys
from mptcp_check.machines.measured_network import End, MeasuredNetwork, NetworkKind
from mptcp_check.machines.powered import any_end_first
from mptcp_check.machines.qemu import Machine, MachineSpec
from mptcp_check.machines.switch import Switch
from mptcp_check.machines.wire_agreement import Agreement
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Side
from mptcp_guest.messages import HandoverDone

PROBE = "probe"
SERVER = "server"


class SwitchWitness:
    """The switch between both machines, which carries and sees every frame."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def record(self) -> None:
        """Begin to remember what crosses."""
        self._switch.record()

    def freeze(self) -> None:
        """Let nothing cross any more."""
        self._switch.freeze()

    def agreement(
        self,
        side: Side,
        interface: str,
        content: bytes,
        *,
        stop_requested_ns: int,
        away: Sequence[tuple[int, int]] = (),
    ) -> Agreement:
        """Compare a capture with what crossed at that interface's port."""
        link = addresses.INTERFACES.index(interface)
        return wire_agreement.compare(
            _frames(content),
            self._switch.wire_frames(link, list(Side).index(side)),
            interface=interface,
            stop_requested_ns=stop_requested_ns,
            away=away,
        )

    def acted_counts(self) -> tuple[tuple[int, ...], ...]:
        """Return how often each behaviour of each link acted."""
        return self._switch.acted_counts()

    def dropped_count(self) -> int:
        """Return how many frames the switch could not deliver."""
        return sum(port.queue_dropped_count for pair in self._switch.status() for port in pair)

    def check(self) -> None:
        """Raise when a machine's wire broke or the switch itself failed.

        Raises:
            MachineError: Which one.
        """
        self._switch.check()
        for lost in self._switch.lost():
            raise MachineError(lost, hint="start the run again; `mptcp-check doctor` checks QEMU")


class SwitchInterrupter:
    """The switch as `mptcp_check.machines.measured_network.Interrupter`.

    Args:
        switch: Between the machines.
        now_ns: The monotonic clock that the switch has too.
        wall_ns: Nanoseconds since 1970.
    """

    def __init__(
        self,
        switch: Switch,
        *,
        now_ns: Callable[[], int] = clock.monotonic_ns,
        wall_ns: Callable[[], int] = clock.wall_ns,
    ) -> None:
        self._switch = switch
        self._now_ns = now_ns
        self._wall_ns = wall_ns
        self._armed: Interruption | None = None

    def arm(self, *, after_bytes: int, lasts_s: float) -> None:
        """Let the first link lose its frames, once so much has crossed both."""
        armed = Interruption(link=0, after_bytes=after_bytes, lasts_ns=round(lasts_s * 1e9))
        self._switch.interrupt(armed)
        self._armed = armed

    def disarm(self) -> HandoverDone:
        """End it, and say when it was."""
        self._switch.interrupt(None)
        armed, self._armed = self._armed, None
        if armed is None or not armed.began_ns:
            crossed = 0 if armed is None else armed.crossed_bytes
            return HandoverDone(began_ns=0, ended_ns=0, after_bytes=crossed, problem="")
        now_ns = self._now_ns()
        ahead_ns = self._wall_ns() - now_ns
        return HandoverDone(
            began_ns=armed.began_ns + ahead_ns,
            ended_ns=armed.ended_ns(now_ns) + ahead_ns,
            after_bytes=armed.crossed_bytes,
            problem="",
        )


@contextmanager
def embedded(
    *,
    image_arguments: Sequence[str],
    accelerator: Accelerator,
    chains: Sequence[Chain],
    keys: RunKeys,
    archive: bytes,
    directory: Path,
    boot_timeout_s: float,
    booting: Callable[[], None] = lambda: None,
) -> Iterator[MeasuredNetwork]:
    """Boot both machines at once, give them, and leave nothing of them behind.

    Args:
        image_arguments: What depends on the image in QEMU's command line.
        accelerator: How QEMU runs the guests.
        chains: The middleboxes of each link.
        keys: The keys of this run.
        archive: The guest agent.
        directory: The run's private work folder; consoles and logs stay there for the caller.
        boot_timeout_s: How long the machines may take.
        booting: Called once both boot.

    Raises:
        MachineError: A machine did not boot in time or ended.
    """
    with ExitStack() as stack:
        switch = Switch(chains, directory=directory)
        switch.start()
        stack.callback(switch.stop)
        began_ns = clock.monotonic_ns()
        machines: list[Machine] = []
        stack.callback(_kill, machines)
        for index, (name, port) in enumerate(((PROBE, 0), (SERVER, 1))):
            spec = MachineSpec(
                name=name,
                accelerator=accelerator,
                image_arguments=tuple(image_arguments),
                directory=directory,
                links=tuple(switch.socket_path(link, port) for link in range(addresses.LINKS)),
                machine_index=index,
            )
            machines.append(Machine.boot(spec))
        booting()
        deadline_ns = began_ns + int(boot_timeout_s * 1e9)
        waiting = [
            guest(m, keys, archive=archive, now_ns=clock.monotonic_ns, deadline_ns=deadline_ns)
            for m in machines
        ]
        probe, server = _enter_together(waiting, stack, machines=machines)
        witness = SwitchWitness(switch)

        def check() -> None:
            with any_end_first(machines):  # with a machine its wires go, and they are seen first
                witness.check()

        yield MeasuredNetwork(
            kind=NetworkKind.EMBEDDED,
            ends={
                Side.CLIENT: _end(probe, addresses.PROBE, directory),
                Side.SERVER: _end(server, addresses.SERVER, directory),
            },
            addressing=lambda _: addresses.EMBEDDED,
            check=check,
            ready_ns=clock.monotonic_ns() - began_ns,
            witness=witness,
            interrupter=SwitchInterrupter(switch),
        )


def _kill(machines: Sequence[Machine]) -> None:
    """End all at once; harmless for those that have ended."""
    with ThreadPoolExecutor(len(Side)) as pool:
        list(pool.map(Machine.kill, machines))


def _end(machine: Guest, host: int, directory: Path) -> End:
    return End(
        name=machine.name,
        agent=machine.agent,
        lab={"namespace": addresses.NAMESPACE, "interfaces": addresses.interfaces(host)},
        fetch=lambda file: fetch(machine, file, directory),
        sets_clock=True,
        alone=True,
    )


def _frames(content: bytes) -> Iterator[bytes]:
    framing = capture_file.frame(np.frombuffer(content, dtype=np.uint8))
    for offset, captured in zip(framing.records.offset, framing.records.captured, strict=True):
        yield content[int(offset) : int(offset) + int(captured)]


def _enter_together(
    waiting: Sequence[AbstractContextManager[Guest]],
    stack: ExitStack,
    *,
    machines: Sequence[Machine],
) -> list[Guest]:
    """Enter all at once and hand them to ``stack``; the first failure ends the other waits too."""
    with ThreadPoolExecutor(len(waiting)) as pool:
        futures = [pool.submit(w.__enter__) for w in waiting]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = next((f for f in futures if f.done() and f.exception() is not None), None)
            if failed is not None:
                failed.result()
        except BaseException:
            # also when interrupted: a dead machine ends its thread's waiting at once
            _kill(machines)
            raise
        finally:
            for waiter, future in zip(waiting, futures, strict=True):
                if future.exception() is None:
                    stack.push(waiter)
    return [future.result() for future in futures]
