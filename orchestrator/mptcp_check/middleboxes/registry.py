"""The behaviours by their identifiers, and how each is made from the words of a command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from mptcp_check.errors import UsageError
from mptcp_check.middleboxes import (
    ack_hole_altered,
    acked_by_middlebox,
    add_addr_removed,
    address_translated,
    checksum_invalid,
    connection_proxied,
    delay,
    dscp_altered,
    duplication,
    ecn_cleared,
    hole_blocked,
    ip_id_altered,
    link,
    long_options_dropped,
    loss,
    mp_capable_key_altered,
    mp_capable_removed_from_syn,
    mp_capable_removed_from_synack,
    mp_capable_syn_dropped,
    mp_capable_syn_reset,
    mp_capable_synack_dropped,
    mp_join_dropped,
    mp_join_removed,
    mp_join_reset,
    mptcp_data_dropped,
    mptcp_option_echoed,
    mptcp_option_removed_from_data,
    mptcp_option_removed_midstream,
    mss_clamped,
    option_padding_sensitive,
    path_blackholed,
    payload_altered,
    payload_resized,
    reordering,
    reserved_bits_cleared,
    reset_injected,
    retransmission_altered,
    segments_coalesced,
    segments_split,
    sequence_numbers_rewritten,
    tcp_option_altered,
    tcp_option_removed,
    timestamp_altered,
    ttl_altered,
    unknown_option_dropped,
    unknown_option_echoed,
    unknown_option_removed,
    urgent_pointer_cleared,
    window_altered,
    window_scale_altered,
)
from mptcp_check.middleboxes.behaviour import Behaviour, Randomness
from mptcp_check.middleboxes.parameters import Field, describe, parse

P_contra = TypeVar("P_contra", contravariant=True)

_BEGINS_PARAMETERS = ":"


class Make(Protocol[P_contra]):
    """Makes one behaviour for one link; each link has its own, as boxes share no state."""

    def __call__(self, parameters: P_contra, /, *, link_index: int, rng: Randomness) -> Behaviour:
        """Return a new behaviour.

        Args:
            parameters: Of the entry's type.
            link_index: The link, from 0.
            rng: The only source of randomness it may use.
        """
        ...


class MakeSeeded(Protocol[P_contra]):
    """The constructor of a behaviour that needs randomness."""

    def __call__(self, parameters: P_contra, /, *, rng: Randomness) -> Behaviour:
        """Return a new behaviour."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One behaviour that can be played."""

    id: str
    """Of the catalogue, or of `IMPAIRMENTS`."""
    parameters: type[Any]
    """Its frozen dataclass of parameters."""
    make: Make[Any]
    defaults: Callable[[int], Any] | None = None
    """Gives the defaults on a link, where they differ from link to link."""

    def fields(self) -> tuple[Field, ...]:
        """Return the parameters that it takes."""
        return describe(self.parameters)

    def build(self, text: str, *, link_index: int, rng: Randomness) -> Behaviour:
        """Make the behaviour from the text form of its parameters; see `parameters.parse`."""
        defaults = None if self.defaults is None else self.defaults(link_index)
        parameters = parse(text, self.parameters, defaults=defaults)
        return self.make(parameters, link_index=link_index, rng=rng)


_P = TypeVar("_P")


def _entry(parameters: type[_P], make: Callable[[_P], Behaviour]) -> Entry:
    """Return the entry of a behaviour that needs neither its link nor randomness."""

    def made(given: _P, /, *, link_index: int, rng: Randomness) -> Behaviour:  # noqa: ARG001 - the protocol
        return make(given)

    return Entry(id=_module_name(parameters), parameters=parameters, make=made)


def _seeded(parameters: type[_P], make: MakeSeeded[_P]) -> Entry:
    """Return the entry of a behaviour that needs randomness."""

    def made(given: _P, /, *, link_index: int, rng: Randomness) -> Behaviour:  # noqa: ARG001 - the protocol
        return make(given, rng=rng)

    return Entry(id=_module_name(parameters), parameters=parameters, make=made)


def _on_link(
    parameters: type[_P], make: Callable[[_P], Behaviour], defaults: Callable[[int], _P]
) -> Entry:
    """Return the entry of a behaviour whose parameters follow from its link."""

    def made(given: _P, /, *, link_index: int, rng: Randomness) -> Behaviour:  # noqa: ARG001 - the protocol
        return make(given)

    return Entry(id=_module_name(parameters), parameters=parameters, make=made, defaults=defaults)


def _module_name(parameters: type) -> str:
    """Return the identifier: a behaviour's module has its name."""
    return parameters.__module__.rpartition(".")[2]


_ENTRIES = (
    _entry(
        mp_capable_removed_from_syn.Parameters, mp_capable_removed_from_syn.MpCapableRemovedFromSyn
    ),
    _entry(
        mp_capable_removed_from_synack.Parameters,
        mp_capable_removed_from_synack.MpCapableRemovedFromSynack,
    ),
    _entry(mp_capable_syn_dropped.Parameters, mp_capable_syn_dropped.MpCapableSynDropped),
    _entry(mp_capable_synack_dropped.Parameters, mp_capable_synack_dropped.MpCapableSynackDropped),
    _entry(mp_capable_syn_reset.Parameters, mp_capable_syn_reset.MpCapableSynReset),
    _entry(mptcp_option_echoed.Parameters, mptcp_option_echoed.MptcpOptionEchoed),
    _entry(mp_capable_key_altered.Parameters, mp_capable_key_altered.MpCapableKeyAltered),
    _entry(long_options_dropped.Parameters, long_options_dropped.LongOptionsDropped),
    _entry(mp_join_removed.Parameters, mp_join_removed.MpJoinRemoved),
    _entry(mp_join_dropped.Parameters, mp_join_dropped.MpJoinDropped),
    _entry(mp_join_reset.Parameters, mp_join_reset.MpJoinReset),
    _entry(add_addr_removed.Parameters, add_addr_removed.AddAddrRemoved),
    _on_link(
        address_translated.Parameters,
        address_translated.AddressTranslated,
        address_translated.parameters_of_link,
    ),
    _entry(
        mptcp_option_removed_from_data.Parameters,
        mptcp_option_removed_from_data.MptcpOptionRemovedFromData,
    ),
    _entry(
        mptcp_option_removed_midstream.Parameters,
        mptcp_option_removed_midstream.MptcpOptionRemovedMidstream,
    ),
    _entry(mptcp_data_dropped.Parameters, mptcp_data_dropped.MptcpDataDropped),
    _entry(payload_altered.Parameters, payload_altered.PayloadAltered),
    _entry(mss_clamped.Parameters, mss_clamped.MssClamped),
    _entry(tcp_option_removed.Parameters, tcp_option_removed.TcpOptionRemoved),
    _entry(tcp_option_altered.Parameters, tcp_option_altered.TcpOptionAltered),
    _entry(unknown_option_removed.Parameters, unknown_option_removed.UnknownOptionRemoved),
    _entry(unknown_option_echoed.Parameters, unknown_option_echoed.UnknownOptionEchoed),
    _entry(unknown_option_dropped.Parameters, unknown_option_dropped.UnknownOptionDropped),
    _entry(option_padding_sensitive.Parameters, option_padding_sensitive.OptionPaddingSensitive),
    _entry(window_altered.Parameters, window_altered.WindowAltered),
    _entry(window_scale_altered.Parameters, window_scale_altered.WindowScaleAltered),
    _entry(timestamp_altered.Parameters, timestamp_altered.TimestampAltered),
    _entry(dscp_altered.Parameters, dscp_altered.DscpAltered),
    _entry(ecn_cleared.Parameters, ecn_cleared.EcnCleared),
    _entry(ttl_altered.Parameters, ttl_altered.TtlAltered),
    _entry(ip_id_altered.Parameters, ip_id_altered.IpIdAltered),
    _entry(urgent_pointer_cleared.Parameters, urgent_pointer_cleared.UrgentPointerCleared),
    _entry(reserved_bits_cleared.Parameters, reserved_bits_cleared.ReservedBitsCleared),
    _entry(checksum_invalid.Parameters, checksum_invalid.ChecksumInvalid),
    _entry(payload_resized.Parameters, payload_resized.PayloadResized),
    _entry(segments_split.Parameters, segments_split.SegmentsSplit),
    _entry(segments_coalesced.Parameters, segments_coalesced.SegmentsCoalesced),
    _entry(
        sequence_numbers_rewritten.Parameters, sequence_numbers_rewritten.SequenceNumbersRewritten
    ),
    _entry(acked_by_middlebox.Parameters, acked_by_middlebox.AckedByMiddlebox),
    _entry(retransmission_altered.Parameters, retransmission_altered.RetransmissionAltered),
    _entry(hole_blocked.Parameters, hole_blocked.HoleBlocked),
    _entry(ack_hole_altered.Parameters, ack_hole_altered.AckHoleAltered),
    _entry(reset_injected.Parameters, reset_injected.ResetInjected),
    _entry(path_blackholed.Parameters, path_blackholed.PathBlackholed),
    _seeded(connection_proxied.Parameters, connection_proxied.ConnectionProxied),
    # impairments
    _entry(link.Parameters, link.Link),
    _seeded(loss.Parameters, loss.Loss),
    _seeded(delay.Parameters, delay.Delay),
    _seeded(reordering.Parameters, reordering.Reordering),
    _seeded(duplication.Parameters, duplication.Duplication),
)

BEHAVIOURS: Mapping[str, Entry] = {entry.id: entry for entry in _ENTRIES}
"""What ``--behind`` takes; ``link`` is put last in every chain by itself."""

IMPAIRMENTS = frozenset({"delay", "duplication", "link", "loss", "reordering"})
"""Behaviours that are no middlebox's doing: not in the catalogue, no finding names them."""


def build(text: str, *, link_index: int, rng: Randomness) -> Behaviour:
    """Make a behaviour from its text form.

    Args:
        text: ``ID``, or ``ID:key=value,key=value``.
        link_index: The link it will stand on, from 0.
        rng: Seeded by the caller.

    Raises:
        UsageError: There is no such behaviour, or it does not take such parameters; the message
            says which and lists what there is.
    """
    name, _, written = text.strip().partition(_BEGINS_PARAMETERS)
    entry = BEHAVIOURS.get(name)
    if entry is None:
        known = ", ".join(sorted(BEHAVIOURS))
        raise UsageError(f"no behaviour is called {name!r}", hint=f"there are: {known}")
    try:
        return entry.build(written.strip(), link_index=link_index, rng=rng)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from None
