"""Boot an image the plain way, with nothing of the orchestrator: QEMU, one socket, paramiko."""

import contextlib
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from mptcp_appliance import boot
from mptcp_appliance.image import Image

BOOT_DEADLINE_S = 600.0
HELLO_DEADLINE_S = 10.0
COMMAND_DEADLINE_S = 300.0


AMD64 = ("qemu-system-x86_64", "-M", "q35", "-cpu", "max")
# pointer authentication by QEMU's own cipher instead of the architecture's: many times as fast
ARM64 = ("qemu-system-aarch64", "-M", "virt", "-cpu", "max,pauth-impdef=on")


def command(
    arguments: Sequence[str], *, console: Path, machine: Sequence[str] = AMD64
) -> list[str]:
    """Return QEMU's argument list for a machine under emulation."""
    return [
        *machine,
        *("-accel", "tcg"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{console}"),
        *arguments,
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A machine that answers."""

    process: subprocess.Popen[bytes]
    transport: paramiko.Transport
    console: Path
    ready_s: float
    """From the start of QEMU to the answer on the management port."""
    session_s: float
    """From the start of QEMU to an authenticated session."""

    def run(self, line: str) -> tuple[int, str]:
        """Run a shell line; returns its status and all it wrote."""
        channel = self.transport.open_session(timeout=COMMAND_DEADLINE_S)
        channel.settimeout(COMMAND_DEADLINE_S)
        channel.set_combine_stderr(True)
        channel.exec_command(line)
        text = channel.makefile("rb").read().decode()
        return channel.recv_exit_status(), text.strip()

    def check(self, line: str) -> str:
        """Run a shell line that has to succeed; returns what it wrote."""
        status, text = self.run(line)
        assert status == 0, f"{line!r} ended with {status}: {text}"
        return text


def make_key(path: Path) -> paramiko.Ed25519Key:
    """Make a key pair with the real tool."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return paramiko.Ed25519Key.from_private_key_file(str(path))


@contextlib.contextmanager
def booted(image: Image, folder: Path, *, machine: Sequence[str] = AMD64) -> Iterator[Guest]:
    """Boot the image; the machine is gone afterwards."""
    folder.mkdir()
    client = make_key(folder / "client")
    host = make_key(folder / "ssh_host_ed25519_key")
    (folder / "authorized_keys").write_text((folder / "client.pub").read_text())
    management, console = folder / "mgmt", folder / "console"
    network = [
        argument
        for n in (0, 1)
        for argument in (
            *("-netdev", f"socket,id=n{n},listen=127.0.0.1:0"),
            *("-device", f"virtio-net-pci,netdev=n{n},mac=52:54:00:00:00:0{n}"),
        )
    ]
    arguments = [
        *boot.qemu_arguments(image, memory_mib=384, keys_directory=folder),
        *("-chardev", f"socket,id=m,path={management},server=on,wait=off"),
        *("-device", "virtio-serial-pci"),
        *("-device", f"virtserialport,chardev=m,name={boot.MANAGEMENT_PORT}"),
        *network,
    ]
    start = time.perf_counter()
    process = subprocess.Popen(command(arguments, console=console, machine=machine))
    try:
        while not management.exists():
            assert process.poll() is None, "QEMU ended"
            time.sleep(0.01)
        with greeted(management) as stream:
            ready_s = time.perf_counter() - start
            transport = paramiko.Transport(stream)
            for limit in ("banner_timeout", "handshake_timeout", "auth_timeout"):
                setattr(transport, limit, COMMAND_DEADLINE_S)  # for machines that are quicker
            try:
                transport.start_client(timeout=COMMAND_DEADLINE_S)
                assert transport.get_remote_server_key() == host
                transport.auth_publickey("root", client)
                yield Guest(
                    process=process,
                    transport=transport,
                    console=console,
                    ready_s=ready_s,
                    session_s=time.perf_counter() - start,
                )
            finally:
                transport.close()
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def greeted(management: Path) -> Iterator[socket.socket]:
    """Connect to the management port and wait until the guest answers this nonce.

    A hello may fall into the hands of an sshd that has not yet noticed the end of its
    connection, so what is not answered is asked again on a new one.
    """
    for _ in range(int(BOOT_DEADLINE_S / HELLO_DEADLINE_S)):
        with socket.socket(socket.AF_UNIX) as stream, contextlib.ExitStack() as stack:
            stream.settimeout(HELLO_DEADLINE_S)
            # a socket's name is short; pytest's folders are not
            directory = os.open(management.parent, os.O_PATH)
            stack.callback(os.close, directory)
            _connect(stream, f"/proc/self/fd/{directory}/{management.name}")
            nonce = secrets.token_hex(8)
            stream.sendall(f"hello {nonce}\n".encode())
            answer = b""
            try:
                while not answer.endswith(f"ready {nonce}\n".encode()):
                    answer += stream.recv(1)
            except TimeoutError:
                continue
            stream.settimeout(COMMAND_DEADLINE_S)
            yield stream
            return
    raise TimeoutError(f"the guest does not answer on {management}")


def _connect(stream: socket.socket, address: str) -> None:
    """Connect as soon as QEMU listens: the socket's name is there a moment before."""
    deadline = time.perf_counter() + HELLO_DEADLINE_S
    while True:
        try:
            stream.connect(address)
        except ConnectionRefusedError:
            if time.perf_counter() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
