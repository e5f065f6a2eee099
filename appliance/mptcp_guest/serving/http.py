"""nginx as the measurement's http and https server: files down, files up by PUT.

Debian's nginx-light 1.22 has what is needed built in (``nginx -V``: dav, ssi, ssl, v2), and opens
plain sockets; MPTCP comes by mptcpize (an own ``multipath`` word only from nginx 1.29.7).
Each place is one thing that boxes treat differently; all of them hand out the same files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.serving.program import USER, Place, Program, Together, socket_address

CONNECTIONS_COUNT = 128
TRICKLE_BYTES = 512
TRICKLE_BYTES_PER_S = 20_000
"""A piece of `TRICKLE_BYTES` every 25 ms."""

CERTIFICATE = "certificate.pem"
KEY = "key.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How many sessions share one server: each path begins with one's marker."""

    marker: str
    """A regular expression without groups; a folder of that name is all that its session sees."""
    connections_count: int
    upload_bytes: int


def command(directory: Path) -> list[str]:
    """Return how nginx is started with the configuration in that directory."""
    error_log = str(directory / "error.log")
    return ["nginx", "-e", error_log, "-p", str(directory), "-c", str(directory / "nginx.conf")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where one of nginx's servers is reached."""

    address: str
    """IPv4 or IPv6, without brackets."""
    port: int
    tls: bool = False
    """Whether it speaks TLS, and HTTP/2 to who asks for it."""


def configuration(
    directory: Path, files: Path, listening: Sequence[Listening], *, sharing: Sharing | None = None
) -> str:
    """Return the configuration of one nginx.

    Args:
        directory: nginx's own, for its log, pid, keys and temporary files.
        files: What is served; uploads go to its ``up``.
        listening: Its servers, which all serve the same.
        sharing: Where sessions share the server; none gives `files` to whoever asks.
    """
    listens = "\n".join(f"    listen {_words(one)};" for one in listening)
    keys = _KEYS.format(directory=directory) if any(one.tls for one in listening) else ""
    # temporary files on the file system of the uploads: a finished one is renamed, never copied
    temporary = "\n".join(
        f"  {kind}_temp_path {directory}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    session, home, way = "", f"{files}", ""
    if sharing:
        # the marker is taken away before any location is chosen; without one nothing is found
        session = (
            f'set $session "none";\n    rewrite "^/(?<session>{sharing.marker})(/.*)$" $2;\n    '
        )
        home, way = f"{files}/$session", "/$session"
    # below that level a line names a user's address
    level = " emerg" if sharing else ""
    connections = sharing.connections_count if sharing else CONNECTIONS_COUNT
    return f"""\
daemon off;
user {USER};
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log{level};
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  server_tokens off;
  default_type application/octet-stream;
  # a body is what was sent, not what compresses well
  gzip off;
  client_max_body_size {sharing.upload_bytes if sharing else 0};
  # the client's address and port, not this one's, are where a redirection goes
  absolute_redirect off;
{temporary}
  server {{
{listens}
{keys}\
    {session}root {home};
    location /down/ {{ }}
    location /up/ {{
      limit_except PUT {{ deny all; }}
      dav_methods PUT;
    }}
    # a filter that could change the length makes nginx send it in chunks (RFC 9112, section 7.1)
    location /chunked/ {{
      alias {home}/down/;
      ssi on;
      ssi_types *;
    }}
    location /trickle/ {{
      alias {home}/down/;
      sendfile off;
      output_buffers 1 {TRICKLE_BYTES};
      limit_rate {TRICKLE_BYTES_PER_S};
    }}
    location ~ ^/missing/(?<what>[^/]+)$ {{
      error_page 404 {way}/down/$what;
      return 404;
    }}
    location ~ ^/moved/(?<what>[^/]+)$ {{ return 302 {way}/down/$what; }}
    location /odd/ {{
      alias {home}/down/;
      add_header x-MiXeD-cAsE "  Odd ,, order;  ";
      add_header X-Long "{"long " * 300}";
      add_header x-mixed-case again;
    }}
    location / {{ return 404; }}
  }}
}}
"""


_KEYS = """\
    ssl_certificate {directory}/certificate.pem;
    ssl_certificate_key {directory}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_tickets off;
"""


def _words(listening: Listening) -> str:
    tls = " ssl http2" if listening.tls else ""
    only = " ipv6only=on" if ":" in listening.address else ""
    return f"{socket_address(listening.address, listening.port)}{tls}{only}"


def _prepare_all(
    place: Place,
    wanted: Sequence[messages.ServiceWanted],
    arguments: messages.ServicesStartArguments,
) -> list[str]:
    listening = [
        Listening(address=w["address"], port=w["port"], tls=w["service"] == HTTPS.name)
        for w in wanted
    ]
    if any(one.tls for one in listening):
        place.written(CERTIFICATE, arguments["tls_certificate"])
        place.written(KEY, arguments["tls_key"], secret=True)
    place.written("nginx.conf", configuration(place.directory, place.files, listening))
    return command(place.directory)


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    return _prepare_all(place, [wanted], arguments)


NGINX = Together(name="nginx", prepare=_prepare_all)
"""An nginx takes an emulated machine a tenth of a second to start: one serves all that it can."""

PROGRAM = Program(
    name="http", tool="nginx", package="nginx-light", prepare=_prepare, together=NGINX
)
HTTPS = Program(name="https", tool="nginx", package="nginx-light", prepare=_prepare, together=NGINX)
