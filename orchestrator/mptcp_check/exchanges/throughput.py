"""iperf3: a throughput test; its words go over a connection of their own beside the data's.

iperf3 makes its bytes itself, and its way to send a file instead (``--file``) mixes them up as
soon as a write is partial (measured with 3.12: as many bytes came, and others).  So they are only
counted, at both ends, and the captures are what tells whether the path altered any.

Only towards the client: there the receiver ends the test once it has all.  Towards the server
the sender ends it by a word on the other connection, and what is under way then is never read
(measured: 1 MiB sent, none counted as received): nobody could say what arrived.
"""

from mptcp_check.exchanges.application import Application, Mode, Opened, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.own_program import WORD


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    folder = target.credentials.folder
    where = (target.address, str(exchange.port), str(exchange.payload_bytes))
    return ((WORD, "iperf3", *where, *((folder,) if folder else ())),)


APPLICATION = Application(
    name="iperf3",
    title="Throughput (iperf3)",
    service="iperf3",
    ports=(5201,),
    modes={
        None: Mode(
            opened=Opened(by_client=2),
            transfers=(Transfer.DOWNLOAD,),
            words="bytes are counted, not compared",
        )
    },
    commands=commands,
    tools=("iperf3",),
    form="zeros",
)
