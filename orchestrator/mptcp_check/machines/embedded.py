"""The embedded network: a probe and a server machine joined by this program's own switch.

It is what runs when no measurement server is known.  It tests this program's own small network
and not the user's, needs no rights, and makes no packet that leaves the computer.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mptcp_check import clock
from mptcp_check.machines import addresses
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.guest import Guest, guest
from mptcp_check.machines.management import RunKeys
from mptcp_check.machines.qemu import Machine, MachineSpec
from mptcp_check.machines.switch import Switch
from mptcp_check.middleboxes.chain import Chain

PROBE = "probe"
SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The network while it is up."""

    probe: Guest
    server: Guest
    switch: Switch
    directory: Path
    """Private work folder of this run."""
    boot_ns: int
    """From the start of the first machine until both agents could be asked."""


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
    now_ns: Callable[[], int] = clock.monotonic_ns,
) -> Iterator[Embedded]:
    """Boot both machines at once, give them, and leave nothing of them behind.

    Args:
        image_arguments: What depends on the image in QEMU's command line.
        accelerator: How QEMU runs the guests.
        chains: The middleboxes of each link.
        keys: The keys of this run.
        archive: The guest agent.
        directory: The run's private work folder; consoles and logs stay there for the caller.
        boot_timeout_s: How long the machines may take.
        now_ns: Monotonic clock.

    Raises:
        MachineError: A machine did not boot in time or ended.
    """
    with ExitStack() as stack:
        switch = Switch(chains, directory=directory)
        switch.start()
        stack.callback(switch.stop)
        began_ns = now_ns()
        machines = []
        for index, (name, port) in enumerate(((PROBE, 0), (SERVER, 1))):
            spec = MachineSpec(
                name=name,
                accelerator=accelerator,
                image_arguments=tuple(image_arguments),
                directory=directory,
                links=tuple(switch.socket_path(link, port) for link in range(addresses.LINKS)),
                machine_index=index,
            )
            machine = Machine.boot(spec)
            stack.callback(machine.kill)
            machines.append(machine)
        deadline_ns = began_ns + int(boot_timeout_s * 1e9)
        waiting = [
            guest(m, keys, archive=archive, now_ns=now_ns, deadline_ns=deadline_ns)
            for m in machines
        ]
        probe, server = _enter_together(waiting, stack, machines=machines)
        yield Embedded(
            probe=probe,
            server=server,
            switch=switch,
            directory=directory,
            boot_ns=now_ns() - began_ns,
        )


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
            for machine in machines:
                machine.kill()
            raise
        finally:
            for waiter, future in zip(waiting, futures, strict=True):
                if future.exception() is None:
                    stack.push(waiter)
    return [future.result() for future in futures]
