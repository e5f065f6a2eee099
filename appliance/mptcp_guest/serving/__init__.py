"""The servers of a measurement, one module each: real ones, as a distribution has them."""

from collections.abc import Mapping

from mptcp_guest.serving import dns, ftp, git, http, rsync, ssh, websocket
from mptcp_guest.serving.program import Program

PROGRAMS: Mapping[str, Program] = {
    p.name: p
    for p in (
        dns.PROGRAM,
        dns.TLS,
        ftp.PROGRAM,
        git.PROGRAM,
        http.HTTPS,
        http.PROGRAM,
        rsync.PROGRAM,
        ssh.PROGRAM,
        websocket.PROGRAM,
        websocket.TLS,
    )
}
"""Every kind of server by its service's name."""
