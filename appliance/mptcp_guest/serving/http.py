"""nginx as the measurement's http server: files down, files up by PUT.

Debian's nginx-light 1.22 has the dav module built in (``nginx -V``: --with-http_dav_module), and
opens plain sockets; MPTCP comes by mptcpize (an own ``multipath`` word only from nginx 1.29.7).
"""

from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.serving.program import USER, Place, Program, socket_address


def command(directory: Path) -> list[str]:
    """Return how nginx is started with the configuration in that directory."""
    error_log = str(directory / "error.log")
    return ["nginx", "-e", error_log, "-p", str(directory), "-c", str(directory / "nginx.conf")]


def configuration(directory: Path, files: Path, *, address: str, port: int) -> str:
    """Return the configuration of one server on one address.

    Args:
        directory: nginx's own, for its log, pid and temporary files.
        files: What is served; uploads go to its ``up``.
        address: IPv4 or IPv6, without brackets.
        port: To listen on.
    """
    listen = socket_address(address, port) + (" ipv6only=on" if ":" in address else "")
    # temporary files on the file system of the uploads: a finished one is renamed, never copied
    temporary = "\n".join(
        f"  {kind}_temp_path {directory}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
daemon off;
user {USER};
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 128; }}
http {{
  access_log off;
  server_tokens off;
  default_type application/octet-stream;
  # a body is what was sent, not what compresses well
  gzip off;
  client_max_body_size 0;
{temporary}
  server {{
    listen {listen};
    root {files};
    location /down/ {{ }}
    location /up/ {{
      limit_except PUT {{ deny all; }}
      dav_methods PUT;
    }}
    location / {{ return 404; }}
  }}
}}
"""


def _prepare(
    place: Place, wanted: messages.ServiceWanted, _: messages.ServicesStartArguments
) -> list[str]:
    text = configuration(
        place.directory, place.files, address=wanted["address"], port=wanted["port"]
    )
    place.written("nginx.conf", text)
    return command(place.directory)


PROGRAM = Program(name="http", tool="nginx", package="nginx-light", prepare=_prepare)
