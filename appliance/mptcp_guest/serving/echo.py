"""The echo servers: where the client speaks first, and where the server does."""

from mptcp_guest import messages, own_program
from mptcp_guest.serving.program import USER, Place, Prepare, Program


def _preparing(first: str) -> Prepare:
    def prepare(
        place: Place, wanted: messages.ServiceWanted, _: messages.ServicesStartArguments
    ) -> list[str]:
        where = (wanted["address"], str(wanted["port"]), str(place.files))
        return own_program.command("servers.echo", *where, USER, first)

    return prepare


CLIENT_FIRST = Program(name="echo", tool="", package="", prepare=_preparing("client"))
SERVER_FIRST = Program(name="greeting-echo", tool="", package="", prepare=_preparing("server"))
