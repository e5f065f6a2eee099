"""One disk starts on the hardware of every hypervisor, and lets in whom the hypervisor named."""

import contextlib
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from mptcp_appliance import cache, disk, images
from mptcp_check import settings
from mptcp_check.machines import vagrant, vagrant_words
from mptcp_check.machines.management import make_keys
from system.cli import call
from system.provider_hardware import OTHERS, VIRTUALBOX, Hardware, command

pytestmark = pytest.mark.system

BOOT_DEADLINE_S = 600
COMMAND_DEADLINE_S = 300
FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = cache.ensure(
        images.load("appliance"), cache_dir=settings.places().images, progress=lambda _: None
    )
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    disk.make(image, "raw", path, lambda _: None)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """A machine with an ssh session over its own card."""

    transport: paramiko.Transport
    console: Path
    port: int

    def check(self, line: str) -> str:
        channel = self.transport.open_session(timeout=COMMAND_DEADLINE_S)
        channel.settimeout(COMMAND_DEADLINE_S)
        channel.set_combine_stderr(True)
        channel.exec_command(line)
        text = channel.makefile("rb").read().decode()
        status = channel.recv_exit_status()
        assert status == 0, f"{line!r} ended with {status}: {text}"
        return text.strip()


def patient(stream: socket.socket) -> paramiko.Transport:
    """Return ssh over a stream, with the patience that an emulated machine needs."""
    transport = paramiko.Transport(stream)
    for limit in ("banner_timeout", "handshake_timeout", "auth_timeout"):
        setattr(transport, limit, COMMAND_DEADLINE_S)
    return transport


@contextlib.contextmanager
def booted(hardware: Hardware, raw: Path, folder: Path) -> Iterator[Booted]:
    keys = make_keys(folder / "keys")
    said = f"mptcp-check.key={keys.client.get_base64().removeprefix(vagrant.KEY_PREFIX)}"
    console = folder / "console"
    console.touch()
    argv = command(hardware, disk=raw, folder=folder, said=[said])
    machine = subprocess.Popen(argv, cwd=folder, stderr=subprocess.PIPE)
    try:
        wait_for(console, machine, "ssh on")
        port = forwarded_port(folder / "monitor")
        host_key = vagrant_words.host_key(console.read_text(errors="replace"))
        assert host_key is not None
        with socket.create_connection(("127.0.0.1", port), COMMAND_DEADLINE_S) as stream:
            transport = patient(stream)
            try:
                transport.start_client(timeout=COMMAND_DEADLINE_S)
                assert transport.get_remote_server_key() == host_key
                transport.auth_publickey("root", keys.client)
                yield Booted(transport=transport, console=console, port=port)
            finally:
                transport.close()
    finally:
        machine.kill()
        with machine:
            pass


def wait_for(console: Path, machine: "subprocess.Popen[bytes]", word: str) -> None:
    deadline = time.perf_counter() + BOOT_DEADLINE_S
    while word not in (text := console.read_text(errors="replace")):
        assert machine.poll() is None, f"QEMU ended: {machine.stderr and machine.stderr.read()!r}"
        assert time.perf_counter() < deadline, f"no {word!r} on the console: {text[-2000:]}"
        time.sleep(0.1)


def forwarded_port(monitor: Path) -> int:
    """Ask QEMU which port of this computer it chose."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(COMMAND_DEADLINE_S)
        stream.connect(str(monitor))
        stream.sendall(b"info usernet\n")
        said = ""
        while not (found := FORWARD.search(said)):
            said += stream.recv(4096).decode(errors="replace")
    return int(found[1])


def look_around(machine: Booted) -> None:
    """Assert what holds on every hypervisor."""
    links = machine.check("ip -o link show").splitlines()
    names = [line.split(": ")[1] for line in links]
    assert names == ["lo", "mgmt", "eth0"]
    # measured cards are left alone until a lab takes them
    assert "state DOWN" in links[2]
    listening = machine.check("ss -Hltun").splitlines()
    assert [line.split()[4] for line in listening] == ["10.0.2.15:22"]
    # nothing leaves by the management card but answers on its own network
    assert "default" not in machine.check("ip route; ip -6 route")
    # what it writes lies in memory
    assert machine.check("grep ' / ' /proc/mounts").startswith("root / overlay")
    keys = machine.check("cat /root/.ssh/authorized_keys").splitlines()
    assert len(keys) == 1
    assert machine.check("cut -d: -f2 /etc/shadow | sort -u").split() == ["!", "*"]


def test_the_disk_starts_on_virtualboxs_hardware_and_lets_in_the_one_key(
    raw: Path, tmp_path: Path
) -> None:
    with booted(VIRTUALBOX, raw, tmp_path) as machine:
        look_around(machine)
        stranger = make_keys(tmp_path / "stranger").client
        with (
            socket.create_connection(("127.0.0.1", machine.port), COMMAND_DEADLINE_S) as stream,
            contextlib.closing(patient(stream)) as transport,
        ):
            transport.start_client(timeout=COMMAND_DEADLINE_S)
            for method in (
                lambda: transport.auth_publickey("root", stranger),
                lambda: transport.auth_password("root", "vagrant"),
                lambda: transport.auth_password("root", ""),
            ):
                with pytest.raises(paramiko.AuthenticationException):
                    method()


@pytest.mark.slow
@pytest.mark.parametrize("hardware", OTHERS, ids=lambda hardware: hardware.name)
def test_the_disk_starts_on_every_hypervisors_hardware(
    hardware: Hardware, raw: Path, tmp_path: Path
) -> None:
    with booted(hardware, raw, tmp_path) as machine:
        look_around(machine)


@pytest.mark.slow
def test_without_a_key_from_the_hypervisor_nobody_gets_in(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "console").touch()
    argv = command(VIRTUALBOX, disk=raw, folder=tmp_path, said=["something else"])
    with subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.PIPE) as machine:
        try:
            wait_for(tmp_path / "console", machine, "nobody can log in")
            said = (tmp_path / "console").read_text(errors="replace")
            assert "host key" not in said
            assert "ssh on" not in said
        finally:
            machine.kill()


def test_the_command_writes_the_image_in_a_format_and_says_where(tmp_path: Path) -> None:
    output = tmp_path / "a.qcow2"
    done = call("image", "build", "--format", "qcow2", "--output", str(output))
    assert done.code == 0, done.err
    assert done.out.strip() == str(output)
    assert output.read_bytes().startswith(b"QFI\xfb")


def test_an_output_without_format_is_a_usage_error(tmp_path: Path) -> None:
    done = call("image", "build", "--output", str(tmp_path / "x"))
    assert done.code == 2
    assert "--format" in done.err
