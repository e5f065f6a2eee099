"""The SIP server, our own: sipp has no way to keep a message's body as it came."""

from mptcp_guest import messages, own_program
from mptcp_guest.serving.program import USER, Place, Program


def _prepare(
    place: Place, wanted: messages.ServiceWanted, _: messages.ServicesStartArguments
) -> list[str]:
    where = (wanted["address"], str(wanted["port"]), str(place.files))
    return own_program.command("servers.sip", *where, USER)


PROGRAM = Program(name="sip", tool="", package="", prepare=_prepare)
