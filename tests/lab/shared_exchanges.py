"""Small clients of a public server's programs, which say who they are by a session's account."""

import socket
import ssl
from dataclasses import dataclass

from lab.server_network import ServerNetwork
from mptcp_check.exchanges.credentials import SERVER_NAME
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_check.session_client.services import Services

BLOCK_BYTES = 65536
FTP, HTTP, HTTPS, ECHO = 21, 80, 443, 7


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A user with a session and an account."""

    network: ServerNetwork
    user: int
    protocol: int
    session: RemoteSession
    services: Services
    content: bytes
    """What is offered to him under the name ``x1`` by every service."""

    def connected(self, port: int) -> socket.socket:
        return self.network.connected(self.user, port, self.protocol)

    def by_http(self) -> bytes:
        with self.connected(HTTP) as line:
            return self._got(line)

    def by_https(self) -> bytes:
        """Over plain TCP, whatever the visitor's protocol is.

        With its handshake's end and its request the client speaks twice at once.  Where two
        subflows carry that to two processors, Linux 6.18.44 takes the second for a part of the
        first, once in some thousand exchanges on a busy computer: 80 and 107 octets, right on the
        wire and one after the other, are acknowledged as 107, and the server's TLS ends with the
        alert ``protocol_version``.
        """
        context = ssl.create_default_context(cadata=self.services.tls_certificate)
        name = f"{self.session.marker}.{SERVER_NAME}"
        plain = self.network.connected(self.user, HTTPS)
        with context.wrap_socket(plain, server_hostname=name) as line:
            return self._got(line)

    def _got(self, line: socket.socket) -> bytes:
        path = f"/{self.session.marker}/down/x1"
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return all_of(line).partition(b"\r\n\r\n")[2]

    def by_ftp(self) -> bytes:
        with self.connected(FTP) as line, line.makefile("rb") as heard:

            def ask(command: str, code: str) -> str:
                if command:
                    line.sendall(f"{command}\r\n".encode())
                while not (answer := heard.readline().decode()).startswith(f"{code} "):
                    assert answer[:3] == code, (command, answer)
                return answer

            ask("", "220")
            ask(f"USER {self.services.user}", "331")
            ask(f"PASS {self.services.password}", "230")
            ask("TYPE I", "200")
            port = int(ask("EPSV", "229").split("|||")[1].split("|")[0])
            with self.connected(port) as data:
                line.sendall(b"RETR down/x1\r\n")
                came = all_of(data)
            ask("", "150")
            ask("", "226")
            ask("QUIT", "221")
        return came

    def by_echo(self) -> bytes:
        with self.connected(ECHO) as line:
            line.sendall(f"down {self.session.marker}.x1\r\n".encode())
            line.shutdown(socket.SHUT_WR)
            return all_of(line)


def all_of(line: socket.socket) -> bytes:
    """Return everything until the other end is done."""
    came = bytearray()
    while block := line.recv(BLOCK_BYTES):
        came += block
    return bytes(came)
