"""Keys of a connection from its handshake, and the HMACs that they prove or refute."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Present
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.flows.handshakes import (
    BACKUP,
    CAPABLE_ACK,
    CAPABLE_SYN,
    CAPABLE_SYNACK,
    CHECKSUM_REQUIRED,
    JOIN_ACK,
    JOIN_SYN,
    JOIN_SYNACK,
    KEY,
    PEER_KEY,
    STEPS,
    Handshake,
    Handshakes,
    Signal,
)
from mptcp_check.analysis.flows.subflows import HmacState

NONCE: Final = int(Present.NONCE)
NO_TOKEN: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What the MP_CAPABLE options of one handshake say; none for what was not captured."""

    version: int | None = None
    """The version that the SYN/ACK agreed to, else the one that was tried."""
    client: int | None = None
    server: int | None = None
    token_client: int | None = None
    token_server: int | None = None
    checksum_required: bool | None = None


class HandshakeColumns:
    """What the options of some TCP connections' handshakes say, as columns.

    Args:
        table: The options.
        flows: Which TCP connections.
    """

    def __init__(self, table: Handshakes, flows: Column | slice) -> None:
        self._table = table
        self._index = [table.indexes(step, flows) for step in range(STEPS)]
        has = [index >= 0 for index in self._index]
        self.has = has
        """By step of `handshakes`: the option is there."""
        any_join = has[JOIN_SYN] | has[JOIN_SYNACK] | has[JOIN_ACK]
        self.joining: Column = any_join & ~has[CAPABLE_SYN]
        """A further subflow: any form of MP_JOIN and no MP_CAPABLE in the SYN."""
        self.joined: Column = has[JOIN_SYN] & has[JOIN_SYNACK] & has[JOIN_ACK]
        """All three steps carried their form of MP_JOIN."""
        self.began: Column = (
            has[CAPABLE_SYN] | has[CAPABLE_SYNACK] | has[JOIN_SYN] | has[JOIN_SYNACK]
        )
        """Any SYN or SYN/ACK had MP_CAPABLE or MP_JOIN."""
        # 64 bits with a sign, or no token would look like the largest one.
        tokens = self.cells(JOIN_SYN, "token").astype(np.int64)
        self.asked: Column = np.where(has[JOIN_SYN], tokens, NO_TOKEN)
        """Token in the SYN of MP_JOIN."""
        own_key = self._with(CAPABLE_SYNACK, KEY) & ~(
            self._with(CAPABLE_SYN, KEY)
            & (self.cells(CAPABLE_SYN, "key") == self.cells(CAPABLE_SYNACK, "key"))
        )
        self.answered: Column = own_key
        """The SYN/ACK has MP_CAPABLE with a key that is not the SYN's, sent back."""
        self.capable: Column = has[CAPABLE_SYN] & own_key & has[CAPABLE_ACK]
        """All three steps carried MP_CAPABLE, and the SYN/ACK a key of its own."""
        self.backup: Column = (
            (self.cells(JOIN_SYN, "flags") | self.cells(JOIN_SYNACK, "flags")) & BACKUP
        ) != 0
        """Flag B in MP_JOIN's SYN or SYN/ACK."""

    def release(self) -> None:
        """Forget which options they were, as only the columns are asked for after this."""
        self._index.clear()

    def cells(self, step: int, name: str) -> Column:
        """Return a column of the options of a step; 0 where there is none."""
        return self._table.cells(name, self._index[step])

    def _with(self, step: int, part: int) -> Column:
        found: Column = self.cells(step, "present") & part != 0
        return found


class KeyColumns(NamedTuple):
    """`Keys` of some TCP connections; -1 is nothing."""

    version: Column
    client: Column
    """uint64, where `client_known`."""
    client_known: Column
    server: Column
    server_known: Column
    token_client: Column
    token_server: Column
    checksum_required: Column

    def of(self, row: int) -> Keys:
        """Return one row as a value."""
        version, checksum = int(self.version[row]), int(self.checksum_required[row])
        token_client, token_server = int(self.token_client[row]), int(self.token_server[row])
        return Keys(
            version=None if version < 0 else version,
            client=int(self.client[row]) if self.client_known[row] else None,
            server=int(self.server[row]) if self.server_known[row] else None,
            token_client=None if token_client < 0 else token_client,
            token_server=None if token_server < 0 else token_server,
            checksum_required=None if checksum < 0 else bool(checksum),
        )


def key_columns(columns: HandshakeColumns) -> KeyColumns:
    """Return the keys of initial subflows.

    In version 0 the SYN has the client's key, in version 1 the third ACK; both have the server's
    in the SYN/ACK, and both keys in the third ACK (section 3.1 of either RFC).
    """
    syn, synack, ack = (columns.has[step] for step in (CAPABLE_SYN, CAPABLE_SYNACK, CAPABLE_ACK))
    any_of_them = syn | synack | ack
    # The version that the SYN/ACK agreed to, else that of the third ACK, the SYN, the SYN/ACK.
    version = np.select(
        [columns.answered, ack, syn, synack],
        [
            columns.cells(step, "version").astype(np.int8)
            for step in (CAPABLE_SYNACK, CAPABLE_ACK, CAPABLE_SYN, CAPABLE_SYNACK)
        ],
        default=np.int8(-1),
    )
    present = {
        step: columns.cells(step, "present") for step in (CAPABLE_SYN, CAPABLE_SYNACK, CAPABLE_ACK)
    }
    in_syn = ~ack & (version == 0) & (present[CAPABLE_SYN] & KEY != 0)
    client = np.where(ack, columns.cells(CAPABLE_ACK, "key"), columns.cells(CAPABLE_SYN, "key"))
    client_known = (present[CAPABLE_ACK] & KEY != 0) | in_syn
    server = np.where(
        columns.answered,
        columns.cells(CAPABLE_SYNACK, "key"),
        columns.cells(CAPABLE_ACK, "peer_key"),
    )
    server_known = columns.answered | (present[CAPABLE_ACK] & PEER_KEY != 0)
    flags = [columns.cells(step, "flags") for step in present]
    required = (flags[0] | flags[1] | flags[2]) & CHECKSUM_REQUIRED != 0
    return KeyColumns(
        version=version,
        client=client,
        client_known=client_known,
        server=server,
        server_known=server_known,
        token_client=_tokens(client, client_known, version),
        token_server=_tokens(server, server_known, version),
        checksum_required=np.where(any_of_them, required, -1).astype(np.int8),
    )


def check_join(
    handshake: Handshake, keys: Keys, *, opened_by_server: bool
) -> tuple[HmacState, ...]:
    """Check the HMACs of one MP_JOIN handshake: RFC 8684, section 3.2, figure 8.

    Args:
        handshake: The join's options.
        keys: Of the connection that it joins.
        opened_by_server: The connection's server sent the SYN.

    Returns:
        A verdict on each HMAC that was captured: SYN/ACK's, then third ACK's.
    """
    syn, synack, ack = handshake.join_syn, handshake.join_synack, handshake.join_ack
    claimed = [option.hmac for option in (synack, ack) if option is not None and option.hmac]
    if keys.client is None or keys.server is None or keys.version not in crypto.VERSIONS:
        return (HmacState.UNKNOWN,) * len(claimed)
    if syn is None or synack is None or not (syn.present & synack.present & NONCE):
        return (HmacState.UNKNOWN,) * len(claimed)
    opener, listener = keys.client, keys.server
    if opened_by_server:
        opener, listener = listener, opener
    verdicts = []
    if synack.hmac:
        expected = crypto.join_hmac(
            own_key=listener,
            peer_key=opener,
            own_nonce=synack.nonce,
            peer_nonce=syn.nonce,
            version=keys.version,
        )
        verdicts.append(_verdict(synack.hmac, expected[: crypto.SHORT_HMAC_BYTES]))
    if ack is not None and ack.hmac:
        expected = crypto.join_hmac(
            own_key=opener,
            peer_key=listener,
            own_nonce=syn.nonce,
            peer_nonce=synack.nonce,
            version=keys.version,
        )
        verdicts.append(_verdict(ack.hmac, expected))
    return tuple(verdicts)


def check_add_addr(
    option: Signal, keys: Keys, *, by_client: bool, leftmost: bool = False
) -> HmacState:
    """Check the HMAC of an ADD_ADDR: RFC 8684, section 3.4.1.

    Args:
        option: An ADD_ADDR with an HMAC.
        keys: Of the connection.
        by_client: The connection's client sent it.
        leftmost: Expect the truncation of an early Linux: see `crypto.add_addr_hmac`.
    """
    if keys.client is None or keys.server is None or not option.address:
        return HmacState.UNKNOWN
    own, peer = (keys.client, keys.server) if by_client else (keys.server, keys.client)
    expected = crypto.add_addr_hmac(
        own_key=own,
        peer_key=peer,
        address_id=option.address_id,
        address=option.address,
        port=option.port,
        leftmost=leftmost,
    )
    return _verdict(option.hmac, expected)


def _verdict(claimed: bytes, expected: bytes) -> HmacState:
    return HmacState.OK if claimed == expected else HmacState.BAD


def _tokens(keys: Column, known: Column, version: Column) -> Column:
    """Return the tokens of keys; -1 where there is none."""
    found = np.full(len(keys), -1, np.int64)
    for one in crypto.VERSIONS:
        rows = np.flatnonzero(known & (version == one))
        found[rows] = crypto.tokens(keys[rows], one)
    return found
