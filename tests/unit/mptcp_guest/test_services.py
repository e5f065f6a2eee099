import ctypes
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from mptcp_guest.messages import ServiceWanted, TransportName
from mptcp_guest.serving import ftp, http
from mptcp_guest.serving.services import kindred, listeners

SS = """\
tcp   LISTEN 0      511    10.77.0.2:80 0.0.0.0:*
tcp   LISTEN 0      5      [fd77::2]:21    [::]:*
mptcp LISTEN 0      511    10.77.0.2:80 0.0.0.0:*
odd line
"""


def test_listening_sockets_are_told_by_kind_and_place() -> None:
    assert listeners(SS) == {
        ("tcp", "10.77.0.2:80"),
        ("tcp", "[fd77::2]:21"),
        ("mptcp", "10.77.0.2:80"),
    }


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 18080), ("::1", 18080)])
def test_nginx_itself_accepts_its_configuration(tmp_path: Path, address: str, port: int) -> None:
    text = http.configuration(
        tmp_path, tmp_path / "files", [http.Listening(address=address, port=port)]
    )
    (tmp_path / "nginx.conf").write_text(text)
    checked = subprocess.run(
        [*http.command(tmp_path), "-t"], capture_output=True, text=True, check=False
    )
    assert "syntax is ok" in checked.stderr


def test_uploads_are_the_only_way_to_write() -> None:
    text = http.configuration(
        Path("/w"), Path("/w/files"), [http.Listening(address="10.77.0.2", port=80)]
    )
    assert text.count("dav_methods PUT;") == 1
    assert "limit_except PUT { deny all; }" in text


def test_the_ftp_server_keeps_its_rule_against_foreign_ports() -> None:
    words = ftp.command(Path("/w"), address="fd77::2", port=21, passive_ports=[50000, 50099])
    assert ("--bind", "fd77::2,21") in pairwise(words)
    assert ("--passiveportrange", "50000:50099") in pairwise(words)
    assert {"--noanonymous", "--chrooteveryone"} < set(words)
    assert not {"--allowuserfxp", "--allowanonymousfxp", "-w", "-W"} & set(words)


def test_the_user_file_holds_a_hash_that_crypt_confirms() -> None:
    line = ftp.users_line("check", "secret", uid=33, gid=33, home=Path("/w/files"))
    name, hashed, *rest = line.strip().split(":")
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    assert name == "check"
    assert library.crypt(b"secret", hashed.encode()) == hashed.encode()
    assert library.crypt(b"other", hashed.encode()) != hashed.encode()
    assert rest[:4] == ["33", "33", "", "/w/files/./"]
    assert "secret" not in line


def test_pure_pw_takes_the_user_file(tmp_path: Path) -> None:
    line = ftp.users_line("check", "secret", uid=33, gid=33, home=Path("/w/files"))
    (tmp_path / "users").write_text(line)
    subprocess.run(ftp.users_command(tmp_path), check=True, capture_output=True)
    assert (tmp_path / "users.pdb").stat().st_size > 0


def wanted(service: str, transport: TransportName, port: int) -> ServiceWanted:
    return ServiceWanted(service=service, transport=transport, address="10.77.0.2", port=port)


def test_one_nginx_serves_all_of_a_transport_and_ftp_has_a_process_each() -> None:
    services = [
        wanted("http", "tcp", 80),
        wanted("http", "mptcp", 80),
        wanted("ftp", "tcp", 21),
        wanted("https", "tcp", 443),
        wanted("ftp", "tcp", 2121),
        wanted("http", "mptcp", 8080),
    ]
    web, web_over_mptcp, ftp_control, second_ftp = kindred(services)
    assert web == [services[0], services[3]]
    assert web_over_mptcp == [services[1], services[5]]
    assert (ftp_control, second_ftp) == ([services[2]], [services[4]])


def test_nginx_speaks_tls_where_it_shall_and_nowhere_else() -> None:
    listening = [
        http.Listening(address="10.77.0.2", port=80),
        http.Listening(address="fd77::2", port=443, tls=True),
    ]
    text = http.configuration(Path("/w"), Path("/w/files"), listening)
    assert "    listen 10.77.0.2:80;\n    listen [fd77::2]:443 ssl http2 ipv6only=on;\n" in text
    assert "ssl_certificate /w/certificate.pem;" in text
