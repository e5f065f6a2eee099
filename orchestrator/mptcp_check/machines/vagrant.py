"""The appliance in a hypervisor that Vagrant drives: up, ssh, the agent, and down whatever happens.

Neither end trusts a network.  Our public key goes in by the machine's firmware tables, its host
key comes out by its serial port; both are made for one boot.  Vagrant holds no key and never logs
in.  What comes of it is the same `Guest` as everywhere, so measuring does not know the difference.
"""

import dataclasses
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Final

import paramiko

from mptcp_check.errors import MachineError, MptcpCheckError, UsageError
from mptcp_check.machines import process, vagrant_folder, vagrant_home, vagrant_words
from mptcp_check.machines.guest import Guest, guest_over
from mptcp_check.machines.management import Management, RunKeys
from mptcp_check.machines.vagrant_program import PROGRAM, VagrantProgram

PROVIDERS: Final = {"libvirt": "libvirt", "qemu": "libvirt", "virtualbox": "virtualbox"}
"""What this program drives, and for which provider the box is made that it takes."""

DESTROY_S: Final = 120.0
ADD_BOX_S: Final = 300.0
_LOOK_S: Final = 0.1
_CONNECT_S: Final = 5.0
_CONSOLE_BYTES: Final = 1 << 20

KEY_PREFIX: Final = "AAAAC3NzaC1lZDI1NTE5AAAAI"
"""How every ed25519 public key begins (RFC 8709, section 4); the machine adds it again."""

_ENDED: Final = ("not_created", "shutoff", "poweroff", "aborted", "stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgedNetwork:
    """A network that the machine is measured on: its eth0, eth1, … in this order."""

    interface: str
    """As the hypervisor calls it: a bridge or an interface; VirtualBox: ``en0: Wi-Fi``."""
    mac: str
    """Of the machine's card, as ``52:54:00:77:00:01``."""
    direct: bool = False
    """libvirt: the interface is no bridge, the machine hangs on it by macvtap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VagrantSpec:
    """All that decides one machine."""

    name: str
    """Of the machine, in the hypervisor too: nobody else may have it."""
    provider: str
    """One of `PROVIDERS`."""
    box: Path
    """A box file, verified by the caller; not looked at when `has_box`."""
    box_digest: str
    """SHA-256 of the image in it, in hexadecimal: a box of another image has another name."""
    networks: tuple[BridgedNetwork, ...]
    home: Path
    """Where boxes and machines are kept, private."""
    memory_mib: int = 512

    @property
    def box_name(self) -> str:
        """What Vagrant calls the box."""
        return f"mptcp-check/appliance-{self.box_digest[:16]}"


def environment(spec: VagrantSpec, *, client: paramiko.PKey, console: Path) -> dict[str, str]:
    """Return what the Vagrantfile is told; PURE.

    Raises:
        UsageError: No such provider.
    """
    if spec.provider not in PROVIDERS:
        raise UsageError(
            f"no provider of machines is called {spec.provider!r}",
            hint=f"known: {', '.join(sorted(PROVIDERS))}",
        )
    networks = [
        {
            "interface": network.interface,
            "attach": "direct" if network.direct else "bridge",
            "mac": network.mac.replace(":", ""),
        }
        for network in spec.networks
    ]
    return {
        "VAGRANT_DEFAULT_PROVIDER": spec.provider,
        "MPTCP_CHECK_NAME": spec.name,
        "MPTCP_CHECK_BOX": spec.box_name,
        "MPTCP_CHECK_KEY": client.get_base64().removeprefix(KEY_PREFIX),
        "MPTCP_CHECK_CONSOLE": str(console),
        "MPTCP_CHECK_MEMORY_MIB": str(spec.memory_mib),
        "MPTCP_CHECK_NETWORKS": json.dumps(networks),
    }


def _program(home: Path, *, folder: Path, environment: Mapping[str, str]) -> VagrantProgram:
    """Return Vagrant for the machine of a folder: our home, the user's plugins for providers."""
    boxes = vagrant_home.boxes_home(home)
    vagrant_home.lend_plugins(boxes, vagrant_home.user_home())
    return VagrantProgram(folder=folder, home=boxes, environment=environment)


class VagrantMachine:
    """A machine that Vagrant started; `vagrant_guest` makes one."""

    def __init__(self, spec: VagrantSpec, program: VagrantProgram, console: Path) -> None:
        self.spec = spec
        self.name = spec.name
        self.console = console
        self._program = program

    def check_alive(self, patience_s: float = 0.0) -> None:
        """Raise when the machine has ended.

        Asking costs a second, so it is asked only when a connection to it just broke.

        Args:
            patience_s: More than 0 when there is a reason to ask.

        Raises:
            MachineError: With what its console said last.
        """
        if patience_s and (state := self._program.state()) in _ENDED:
            raise MachineError(
                f"the machine {self.name} ended ({state}):"
                f" {process.last_words(self.console) or 'its console is silent'}",
                hint="see its console in the run's logs",
            )

    def kill(self) -> None:
        """End the machine and remove it from the hypervisor; harmless when it is gone.

        Raises:
            MachineError: Vagrant could not.
        """
        self._program.tear_down(within_s=DESTROY_S)


@contextmanager
def vagrant_guest(
    spec: VagrantSpec,
    keys: RunKeys,
    *,
    archive: bytes,
    logs: Path,
    now_ns: Callable[[], int],
    deadline_ns: int,
) -> Iterator[Guest]:
    """Start a machine, give its guest, and destroy it: at the end, after an error, on Ctrl-C.

    Args:
        spec: Which machine.
        keys: The run's keys; the host key among them is not used, the machine makes its own.
        archive: The agent as a zipapp.
        logs: The run's work folder; console and Vagrant's words are copied there at the end.
        now_ns: Monotonic clock.
        deadline_ns: When the guest must have answered, by that clock; taking a box in, which only
            the first machine of an image does, moves it.

    Raises:
        PreflightError: There is no Vagrant or no such hypervisor here.
        MachineError: The machine did not start, answer or go; with Vagrant's own words.
    """
    process.find(PROGRAM)
    folders = vagrant_folder.machine_folder(spec.home, spec.name)
    said = partial(environment, spec, client=keys.client)
    said(console=Path())  # what cannot be is told before anything is made
    with folders as folder:
        console = folder / "console.log"
        # the hypervisor writes into it, maybe as somebody else, and it stays ours to read
        console.touch(mode=0o644)
        (folder / "Vagrantfile").write_bytes(vagrantfile())
        program = _program(spec.home, folder=folder, environment=said(console=console))
        machine = VagrantMachine(spec, program, console)
        with _destroyed(machine, folder, keep=(console, program.log), logs=logs):
            began_ns = now_ns()
            if not has_box(spec):
                provider = PROVIDERS[spec.provider]
                program.add_box(spec.box_name, spec.box, provider, within_s=ADD_BOX_S)
                vagrant_home.seal(spec.home, spec.box_name, provider)
            deadline_ns += now_ns() - began_ns
            program.bring_up(spec.provider, within_s=max(1.0, (deadline_ns - now_ns()) / 1e9))
            management = _log_in(machine, program, keys, now_ns=now_ns, deadline_ns=deadline_ns)
            with guest_over(management, machine, archive=archive, now_ns=now_ns) as guest:
                yield guest


@contextmanager
def _destroyed(
    machine: VagrantMachine, folder: Path, *, keep: Sequence[Path], logs: Path
) -> Iterator[None]:
    """Destroy the machine at the end, whatever happened; what happened first is what is told."""
    try:
        yield
    except BaseException as first:
        try:
            _destroy(machine, folder, keep=keep, logs=logs)
        except MptcpCheckError as e:
            if not isinstance(first, MptcpCheckError):
                raise
            also = f"the machine is still there ({e.message}); the next start tries again"
            first.hint = f"{first.hint}; {also}".removeprefix("; ")
        raise
    _destroy(machine, folder, keep=keep, logs=logs)


def _destroy(machine: VagrantMachine, folder: Path, *, keep: Sequence[Path], logs: Path) -> None:
    try:
        machine.kill()
    finally:
        _keep_logs(machine.name, keep, logs)
    vagrant_folder.forget(folder)


def has_box(spec: VagrantSpec) -> bool:
    """Say whether the box was taken in by an earlier run and is unchanged; else its file is needed.

    A box that was changed is taken in again, from the image that was verified.
    """
    return vagrant_home.is_sealed(spec.home, spec.box_name, PROVIDERS[spec.provider])


def _log_in(
    machine: VagrantMachine,
    program: VagrantProgram,
    keys: RunKeys,
    *,
    now_ns: Callable[[], int],
    deadline_ns: int,
) -> Management:
    host = program.ssh_address()
    key = None
    connection = None
    while now_ns() < deadline_ns and connection is None:
        key = vagrant_words.host_key(_text(machine.console))
        if key is not None:
            with suppress(OSError):  # a forwarded port may come later than what it leads to
                connection = socket.create_connection(host, timeout=_CONNECT_S)
        if connection is None:
            time.sleep(_LOOK_S)
    if key is None or connection is None:
        missing = (
            "did not say on its console that ssh is up" if key is None else "is not reached by ssh"
        )
        raise MachineError(
            f"the machine {machine.name} {missing} in time:"
            f" {process.last_words(machine.console, 200) or 'its console is silent'}",
            hint="see its console in the run's logs; a busy computer may need --boot-timeout",
        )
    connection.settimeout(None)
    return Management(machine.name, connection, dataclasses.replace(keys, host=key))


def _text(file: Path) -> str:
    with file.open("rb") as stream:
        return stream.read(_CONSOLE_BYTES).decode(errors="replace")


def _keep_logs(name: str, files: Sequence[Path], logs: Path) -> None:
    for file in files:
        with suppress(OSError):  # there may be none, and a run's end must not hang on it
            shutil.copyfile(file, logs / f"{name}.{file.name}")


def destroy_remains(home: Path) -> tuple[str, ...]:
    """Destroy the machines of runs that were killed, and return their names.

    A machine that cannot be destroyed now keeps its folder and is tried again by the next start.
    """
    destroyed = []
    with vagrant_folder.remains(home) as folders:
        for folder in folders:
            program = _program(home, folder=folder, environment={"MPTCP_CHECK_NAME": folder.name})
            with suppress(MptcpCheckError):
                program.tear_down(within_s=DESTROY_S)
                vagrant_folder.forget(folder)
                destroyed.append(folder.name)
    return tuple(destroyed)


def vagrantfile() -> bytes:
    """Return the Vagrantfile: of the checkout, or of the package in a wheel."""
    in_wheel = resources.files("mptcp_check") / "Vagrantfile"
    if in_wheel.is_file():
        return in_wheel.read_bytes()
    return (Path(__file__).resolve().parents[3] / "Vagrantfile").read_bytes()
