"""The servers of a measurement, one module each: real ones, as a distribution has them."""

from collections.abc import Mapping

from mptcp_guest.serving import echo, ftp, http
from mptcp_guest.serving.program import Program

PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        http.PROGRAM,
        ftp.PROGRAM,
        echo.CLIENT_FIRST,
        echo.SERVER_FIRST,
    )
}
"""Every kind of server by its service's name."""
