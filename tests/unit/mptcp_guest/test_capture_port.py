import os
import threading
from pathlib import Path

import pytest

from mptcp_guest.capture_port import PART_BYTES, device, send
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline, Stop


def ports(tmp_path: Path, **names: str) -> Path:
    for entry, name in names.items():
        (tmp_path / entry).mkdir()
        (tmp_path / entry / "name").write_text(f"{name}\n")
    return tmp_path


def port(tmp_path: Path) -> tuple[Path, int]:
    """Return a named pipe, which is full when nobody reads as the port is, and its reading end."""
    path = tmp_path / "port"
    os.mkfifo(path)
    return path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def test_a_port_is_found_by_the_name_that_the_hypervisor_gave_it(tmp_path: Path) -> None:
    known = ports(tmp_path, vport2p1="mgmt", vport2p2="captures")
    assert device("captures", ports=known, devices=Path("/dev")) == Path("/dev/vport2p2")


def test_a_machine_without_that_port_says_so(tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match="no port 'captures'"):
        device("captures", ports=ports(tmp_path, vport2p1="mgmt"))


def test_a_file_arrives_whole_though_it_is_larger_than_the_port(tmp_path: Path) -> None:
    content = os.urandom(20 * PART_BYTES + 7)
    (tmp_path / "file").write_bytes(content)
    path, reading = port(tmp_path)
    kept = os.open(path, os.O_WRONLY)  # a pipe ends with its last writer, the port does not
    os.set_blocking(reading, True)
    arrived = bytearray()

    def read() -> None:
        while len(arrived) < len(content):
            arrived.extend(os.read(reading, 10_000))

    reader = threading.Thread(target=read)
    reader.start()

    send(tmp_path / "file", path, stop=Stop(), until=Deadline.after(60))

    reader.join(60)
    os.close(kept)
    os.close(reading)
    assert bytes(arrived) == content


def test_a_host_that_does_not_read_is_not_waited_for_without_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(20 * PART_BYTES))
    path, reading = port(tmp_path)
    with pytest.raises(RefusalError, match="did not read"):
        send(tmp_path / "file", path, stop=Stop(), until=Deadline.after(0.05))
    os.close(reading)


def test_an_orchestrator_that_goes_away_ends_the_sending(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(20 * PART_BYTES))
    path, reading = port(tmp_path)
    stop = Stop()
    stop.set()
    with pytest.raises(RefusalError, match="went away"):
        send(tmp_path / "file", path, stop=stop, until=Deadline.after(60))
    os.close(reading)
