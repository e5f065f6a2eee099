"""Keys of a connection from its handshake, and the HMACs that they prove or refute."""

from dataclasses import dataclass
from typing import Final

from mptcp_check.analysis.capture.packets import Present
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.flows.handshakes import (
    CHECKSUM_REQUIRED,
    KEY,
    PEER_KEY,
    Handshake,
    Signal,
)
from mptcp_check.analysis.flows.subflows import HmacState

NONCE: Final = int(Present.NONCE)


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


def keys_of(handshake: Handshake) -> Keys:
    """Return the keys of an initial subflow.

    In version 0 the SYN has the client's key, in version 1 the third ACK; both have the server's
    in the SYN/ACK, and both keys in the third ACK (section 3.1 of either RFC).
    """
    syn, synack, ack = handshake.capable_syn, handshake.capable_synack, handshake.capable_ack
    options = [option for option in (syn, synack, ack) if option is not None]
    if not options:
        return Keys()
    chosen = synack if handshake.answered and synack else ack or syn or synack
    version = chosen.version if chosen else None
    client = _key(ack) if ack else (_key(syn) if version == 0 else None)
    server = _key(synack) if handshake.answered else (_peer_key(ack) if ack else None)
    return Keys(
        version=version,
        client=client,
        server=server,
        token_client=_token(client, version),
        token_server=_token(server, version),
        checksum_required=any(option.flags & CHECKSUM_REQUIRED for option in options),
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


def check_add_addr(option: Signal, keys: Keys, *, by_client: bool) -> HmacState:
    """Check the HMAC of an ADD_ADDR: RFC 8684, section 3.4.1.

    Args:
        option: An ADD_ADDR with an HMAC.
        keys: Of the connection.
        by_client: The connection's client sent it.
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
    )
    return _verdict(option.hmac, expected)


def _verdict(claimed: bytes, expected: bytes) -> HmacState:
    return HmacState.OK if claimed == expected else HmacState.BAD


def _token(key: int | None, version: int | None) -> int | None:
    if key is None or version is None or version not in crypto.VERSIONS:
        return None
    return crypto.token(key, version)


def _key(option: Signal | None) -> int | None:
    return option.key if option is not None and option.present & KEY else None


def _peer_key(option: Signal | None) -> int | None:
    return option.peer_key if option is not None and option.present & PEER_KEY else None
