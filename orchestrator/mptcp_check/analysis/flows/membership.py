"""Which TCP connections make a connection: joins go to the connection that their token names."""

from typing import NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.flows.keys import NO_TOKEN, HandshakeColumns, KeyColumns


class Members(NamedTuple):
    """The TCP connections of all connections, one connection after the other."""

    flow: Column
    """int64: the TCP connection; the first one of its connection comes first."""
    by_server: Column
    """bool: the connection's server opened it."""
    starts: Column
    """int64, one per connection and one: where its TCP connections begin."""
    orphan_token: Column
    """int64, one per connection: the token that joins name whose connection was not captured."""

    def __len__(self) -> int:
        """Return the count of connections."""
        return len(self.starts) - 1


def members(handshakes: HandshakeColumns, keys: KeyColumns) -> Members:
    """Give every TCP connection its place.

    A token may be used again in a long capture: the youngest connection that began before the
    join has it.  Joins whose token nobody has go together by their token.

    Args:
        handshakes: Of all TCP connections, in the order of their first segments.
        keys: The same ones' keys.
    """
    count = len(handshakes.joining)
    if not handshakes.joining.any():  # nobody asks for a token
        return Members(
            flow=np.arange(count),
            by_server=np.zeros(count, np.bool_),
            starts=np.arange(count + 1),
            orphan_token=np.full(count, NO_TOKEN),
        )
    place_of, by_server = np.empty(count, np.int64), np.zeros(count, np.bool_)
    orphans: list[int] = []
    owners: dict[int, int] = {}
    facts = zip(
        handshakes.joining.tolist(),
        keys.token_server.tolist(),
        keys.token_client.tolist(),
        handshakes.asked.tolist(),
        strict=True,
    )
    for flow, (joining, token_server, token_client, token) in enumerate(facts):
        place = len(orphans)
        if not joining:
            for own, server_joins in ((token_server, 0), (token_client, 1)):
                if own != NO_TOKEN:
                    owners[own] = 2 * place + server_joins
            orphans.append(NO_TOKEN)
        elif token in owners:
            place, by_server[flow] = divmod(owners[token], 2)
        else:
            if token != NO_TOKEN:
                owners[token] = 2 * place
            orphans.append(token)
        place_of[flow] = place
    order = np.argsort(place_of, kind="stable")
    sizes = np.bincount(place_of, minlength=len(orphans))
    return Members(
        flow=order,
        by_server=by_server[order],
        starts=np.concatenate([[0], np.cumsum(sizes)]),
        orphan_token=np.array(orphans, np.int64),
    )
