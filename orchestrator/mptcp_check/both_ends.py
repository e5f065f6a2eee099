"""Both ends of a network while exchanges run on it: who is asked, by which address, with what."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mptcp_check.errors import ServerError
from mptcp_check.exchanges import asking
from mptcp_check.exchanges.guest_api import GuestError
from mptcp_check.machines.clock_offset import ClockOffset
from mptcp_check.machines.measured_network import Addressing, Interrupter, MeasuredNetwork
from mptcp_check.model import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Both ends while exchanges run."""

    network: MeasuredNetwork
    addressing: Addressing
    seed: str
    keys: asking.Keys
    pool: ThreadPoolExecutor
    client_clock: ClockOffset
    server_clock: ClockOffset

    @property
    def interrupter(self) -> Interrupter | None:
        """Who can make the first path lose everything, if anybody can."""
        return self.network.interrupter

    def call(self, side: Side, verb: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask one end's agent."""
        return self.network.ends[side].agent.call(verb, arguments)

    def both(self, verb: str, arguments: Callable[[Side], Mapping[str, Any]]) -> dict[Side, Any]:
        """Ask both agents at once."""
        return asked(self.network, self.pool, verb, arguments)

    def alone(self, side: Side) -> bool:
        """Say whether one end's network holds the exchanges only."""
        return self.network.ends[side].alone


def asked(
    network: MeasuredNetwork,
    pool: ThreadPoolExecutor,
    verb: str,
    arguments: Callable[[Side], Mapping[str, Any]],
) -> dict[Side, Any]:
    """Ask both agents at once, and return what each answered."""
    asking = {s: pool.submit(network.ends[s].agent.call, verb, arguments(s)) for s in Side}
    return {side: future.result() for side, future in asking.items()}


@contextmanager
def cause_first(network: MeasuredNetwork) -> Iterator[None]:
    """Where an end refuses or the server fails, raise the network's trouble if that is why.

    An interface that goes away is looked for between exchanges, and takes along whatever is asked
    of it before.  An end that broke or is silent is not asked again: it has been told already.
    """
    try:
        yield
    except GuestError:
        network.check()
        raise
    except ServerError:
        with suppress(ServerError):  # the server's own trouble is the one that is told
            network.check()
        raise
