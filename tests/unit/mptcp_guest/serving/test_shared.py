"""What each shared server is told: who may come in, and what bounds him."""

import re
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from mptcp_guest.lab import Lab
from mptcp_guest.messages import Content, ServiceWanted
from mptcp_guest.serving import PROGRAMS, ftp, git, http, shared, sharing
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.shared import SHARED, brokers, files, mail, names
from mptcp_guest.waiting import Deadline, Stop

MARKER, OTHER = "mpck-" + "a7" * 13, "mpck-" + "b2" * 13
KEYS = sharing.Keys(tls_certificate="CERTIFICATE\n", tls_key="KEY\n", ssh_host_key="HOST\n")
CAPS = sharing.Caps(
    connections_count=77, upload_bytes=4321, passive_ports=(50000, 50999), keys=KEYS
)
HASH = "$6$rounds=1000$salt$hash"
INSIDE_TLS = {"https", "websocket-tls", "dns-tls", "imaps", "pop3s", "mqtts"}


def login(marker: str = MARKER) -> sharing.Login:
    return sharing.Login(marker=marker, password="secret", password_hash=HASH)  # noqa: S106 - a test's


@pytest.fixture
def place(tmp_path: Path) -> Place:
    lab = Lab(work_directory=tmp_path, stop=Stop(), own_network=True)
    directory = tmp_path / "programs"
    for made in (directory, tmp_path / "files", tmp_path / "closed" / MARKER):
        made.mkdir(parents=True)
    return Place(lab=lab, directory=directory, files=tmp_path / "files", until=Deadline.after(60))


def wanted(service: str) -> ServiceWanted:
    return ServiceWanted(service=service, transport="mptcp", address="127.0.0.1", port=18080)


def prepared(place: Place, service: str) -> list[str]:
    return SHARED[service].prepare(place, wanted(service), CAPS)


def written(place: Place, name: str) -> str:
    return (place.directory / name).read_text()


def test_every_shared_service_is_one_that_runs_have() -> None:
    assert set(SHARED) <= set(PROGRAMS)
    assert set(PROGRAMS) - set(SHARED) == {"ssh"}  # the orchestrator has ssh's server
    assert re.fullmatch(sharing.MARKER, MARKER)
    assert shared.SHARED is SHARED


@pytest.mark.parametrize("service", sorted(SHARED))
def test_each_can_be_started_as_nobody_and_keeps_its_key_to_itself(
    place: Place, service: str
) -> None:
    words = prepared(place, service)
    SHARED[service].admit(place, [])
    assert words
    # who starts it is nobody important already: no word makes it become somebody else
    assert not {"setpriv", "www-data", "--user=www-data"} & set(words)
    for path in place.directory.rglob("*"):
        if path.is_file() and b"KEY\n" in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0
    assert (service in INSIDE_TLS) <= (place.directory / "certificate.pem").exists()
    assert "secret" not in " ".join(words)


@pytest.mark.parametrize("service", ["http", "https"])
def test_nginx_itself_accepts_its_configuration_for_sessions(place: Place, service: str) -> None:
    command = prepared(place, service)
    if service == "http":
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert "syntax is ok" in checked.stderr
    text = written(place, "nginx.conf")
    for word in ("client_max_body_size 4321;", "worker_connections 77;", "error.log emerg;"):
        assert word in text
    assert ("ssl http2" in text) == (service == "https")
    listening = [http.Listening(address="::1", port=80)]
    alone = http.configuration(Path("/w"), Path("/w/files"), listening)
    assert "session" not in alone


def test_ftp_users_of_sessions_are_locked_into_their_folder(place: Place) -> None:
    words = prepared(place, "ftp")
    assert ("--maxclientsnumber", "77") in pairwise(words)
    assert ("--passiveportrange", "50000:50999") in pairwise(words)
    assert ("--tls", "1") in pairwise(words)
    assert {"--noanonymous", "--chrooteveryone", "--nochmod", "--norename"} < set(words)
    assert not {"--allowuserfxp", "--allowanonymousfxp", "-w", "-W"} & set(words)

    hashed = ftp.hashed("secret")
    made = sharing.Login(marker=MARKER, password="secret", password_hash=hashed)  # noqa: S106 - a test's
    SHARED["ftp"].admit(place, [made])
    users = written(place, files.USERS)
    assert users.startswith(f"{MARKER}:{hashed}:")
    assert f":{place.files}/{MARKER}/./:" in users
    assert (place.directory / files.USERS).stat().st_mode & 0o077 == 0
    with_one = (place.directory / "users.pdb").read_bytes()
    SHARED["ftp"].admit(place, [])
    assert MARKER.encode() in with_one
    assert MARKER.encode() not in (place.directory / "users.pdb").read_bytes()


def test_rsync_has_two_modules_for_a_session_and_takes_nothing_special(place: Place) -> None:
    prepared(place, "rsync")
    SHARED["rsync"].admit(place, [login(), login(OTHER)])
    text = written(place, files.MODULES)
    assert text.count("[mpck-") == 4
    own = text[text.index(f"[{MARKER}-up]") : text.index(f"[{OTHER}-down]")]
    assert f"auth users = {MARKER}\n" in own
    assert "write only = yes" in own
    assert "incoming chmod = D0700,F0600" in own
    assert "munge symlinks = yes" in text
    assert written(place, "caps.inc") == "max connections = 77\n"
    assert written(place, "secrets") == f"{MARKER}:secret\n{OTHER}:secret\n"


@pytest.mark.parametrize("service", ["imap", "imaps", "pop3", "pop3s"])
def test_a_mailbox_opens_for_its_sessions_password_until_the_session_ends(
    place: Place, service: str
) -> None:
    prepared(place, service)
    text = written(place, "dovecot.conf")
    assert "mail_uid" not in text
    assert f"{place.directory}/passwords/%Ln" in text
    assert "/%n/" in text
    SHARED[service].admit(place, [login(), login(OTHER)])
    folder = place.directory / mail.PASSWORDS
    assert {path.name for path in folder.iterdir()} == {MARKER, OTHER}
    assert (folder / MARKER).read_text() == f"{MARKER}:{{SHA512-CRYPT}}{HASH}::::::\n"
    assert (folder / MARKER).stat().st_mode & 0o077 == 0
    SHARED[service].admit(place, [login(OTHER)])
    assert {path.name for path in folder.iterdir()} == {OTHER}


def test_a_name_servers_zone_has_one_content_of_each_session(place: Place) -> None:
    prepared(place, "dns")
    text = written(place, "unbound.conf")
    assert 'username: ""' in text
    assert text.count("refuse_non_local") == 2
    assert "incoming-num-tcp: 77" in text
    shelf, session = SHARED["dns"].shelf, place.files.parent / "closed" / MARKER
    assert shelf is not None
    (place.files.parent / "closed" / names.OWN / f"x{'.control'}").unlink(missing_ok=True)
    for name in ("x1", "x2"):
        shelf.offer(session, name, Content(seed=name, bytes=100))
    zone = place.files.parent / "closed" / names.OWN / "zone"
    assert f"0.x2.{MARKER} 0 IN TXT" in zone.read_text()
    assert "x1" not in zone.read_text()
    forget = SHARED["dns"].forget
    assert forget is not None
    forget(session)
    assert MARKER not in zone.read_text()
    assert shelf.received(session, "x1") is None


def test_git_takes_pushes_where_a_repository_itself_says_so(place: Place) -> None:
    words = prepared(place, "git")
    closed = place.files.parent / "closed"
    assert {"--disable=receive-pack", "--allow-override=receive-pack"} < set(words)
    assert words[-1] == str(closed)
    assert "--max-connections=64" in words
    SHARED["git"].admit(place, [login(), login(OTHER)])
    session, shelf = closed / MARKER, SHARED["git"].shelf
    assert shelf is not None
    assert (session / git.UPLOADS / "config").exists()
    assert not (closed / OTHER).exists()  # its folder is not there yet
    made = shelf.offer(session, "x1", Content(seed="s", bytes=100))
    assert made["bytes"] == 100
    assert "receivepack" not in (session / "down" / "x1.git" / "config").read_text()
    assert shelf.received(session, "x1") is None
    shelf.discard(session, "x1")
    assert not (session / "down" / "x1.git").exists()


def test_an_mqtt_session_has_one_topic_to_read_and_one_to_write(place: Place) -> None:
    prepared(place, "mqtt")
    assert written(place, "access") == "pattern write %u/up\npattern read %u/down\n"
    text = written(place, "mosquitto.conf")
    assert f"acl_file {place.directory}/access\n" in text
    assert f"message_size_limit {brokers.VALUE_BYTES_MAX}\n" in text
    assert "use_username_as_clientid true\n" in text.split("listener 0")[0]
    assert "allow_anonymous false" in text.split("listener 0")[0]
    SHARED["mqtt"].admit(place, [login()])
    first = written(place, "users")
    assert first.startswith(f"{MARKER}:$7$")
    SHARED["mqtt"].admit(place, [login()])
    assert written(place, "users") == first


def test_a_redis_session_can_get_one_key_and_set_one(place: Place) -> None:
    prepared(place, "redis")
    SHARED["redis"].admit(place, [login()])
    rows = written(place, "users").splitlines()
    assert rows[0] == "user default off"
    assert rows[1].startswith("user agent on #")
    words = rows[2].split()
    assert words[:2] == ["user", MARKER]
    assert {f"%R~{MARKER}/down", f"%W~{MARKER}/up", "+get", "+set"} < set(words)
    assert not [word for word in words if "@" in word or word.endswith("*")]
    assert "secret" not in rows[2]
    assert "requirepass" not in written(place, "redis.conf")


@pytest.mark.parametrize("service", ["echo", "greeting-echo", "sip", "irc"])
def test_our_own_are_told_how_many_they_may_serve(place: Place, service: str) -> None:
    assert prepared(place, service)[-1] == "77"


@pytest.mark.parametrize("forget", [brokers.SHARED["mqtt"].forget, brokers.SHARED["redis"].forget])
def test_a_broker_that_does_not_run_has_nothing_to_forget(
    place: Place, forget: Callable[[Path], None]
) -> None:
    prepared(place, "mqtt")
    prepared(place, "redis")
    forget(place.files.parent / "closed" / MARKER)
