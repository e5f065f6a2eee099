"""The servers of a measurement, one module each: real ones, as a distribution has them."""

from collections.abc import Mapping

from mptcp_guest.serving import ftp, http
from mptcp_guest.serving.program import Program

PROGRAMS: Mapping[str, Program] = {p.name: p for p in (http.PROGRAM, ftp.PROGRAM)}
"""Every kind of server by its service's name."""
