"""Both ends of a network while exchanges run on it: who is asked, by which address, with what."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mptcp_check.exchanges import asking
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
