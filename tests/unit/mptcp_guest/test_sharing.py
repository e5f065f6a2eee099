import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from mptcp_guest.lab import Lab
from mptcp_guest.messages import ServiceWanted
from mptcp_guest.serving import PROGRAMS, ftp, http, sharing
from mptcp_guest.serving.program import Place
from mptcp_guest.waiting import Deadline, Stop

MARKER = "mpck-" + "a7" * 13
CAPS = sharing.Caps(connections_count=77, upload_bytes=4321, passive_ports=(50000, 50999))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    lab = Lab(work_directory=tmp_path, stop=Stop(), own_network=True)
    return Place(lab=lab, directory=tmp_path, files=tmp_path / "files", until=Deadline.after(60))


def wanted(service: str) -> ServiceWanted:
    return ServiceWanted(service=service, transport="mptcp", address="127.0.0.1", port=18080)


def test_every_shared_service_is_one_that_runs_have() -> None:
    assert set(sharing.SHARED) <= set(PROGRAMS)
    assert re.fullmatch(sharing.MARKER, MARKER)


def test_nginx_itself_accepts_its_configuration_for_sessions(place: Place) -> None:
    command = sharing.SHARED["http"].prepare(place, wanted("http"), CAPS)
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert "syntax is ok" in checked.stderr
    text = (place.directory / "nginx.conf").read_text()
    for word in ("client_max_body_size 4321;", "worker_connections 77;", "error.log emerg;"):
        assert word in text
    alone = http.configuration(
        Path("/w"), Path("/w/files"), [http.Listening(address="::1", port=80)]
    )
    assert "session" not in alone


def test_ftp_users_of_sessions_are_locked_into_their_folder(place: Place) -> None:
    shared = sharing.SHARED["ftp"]
    words = shared.prepare(place, wanted("ftp"), CAPS)
    assert ("--maxclientsnumber", "77") in pairwise(words)
    assert ("--passiveportrange", "50000:50999") in pairwise(words)
    assert {"--noanonymous", "--chrooteveryone", "--nochmod", "--norename"} < set(words)
    assert not {"--allowuserfxp", "--allowanonymousfxp", "-w", "-W"} & set(words)

    hashed = ftp.hashed("secret")
    shared.admit(place, [sharing.Login(marker=MARKER, password_hash=hashed)])
    users = (place.directory / sharing.USERS).read_text()
    assert users.startswith(f"{MARKER}:{hashed}:")
    assert f":{place.files}/{MARKER}/./:" in users
    assert (place.directory / sharing.USERS).stat().st_mode & 0o077 == 0
    with_one = (place.directory / "users.pdb").read_bytes()
    shared.admit(place, [])
    assert MARKER.encode() in with_one
    assert MARKER.encode() not in (place.directory / "users.pdb").read_bytes()
