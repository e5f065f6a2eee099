"""The behaviours by their identifiers, and how each is made from the words of a command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from mptcp_check.errors import UsageError
from mptcp_check.middleboxes import (
    address_translated,
    link,
    mp_capable_removed_from_syn,
    mp_capable_removed_from_synack,
    mp_capable_syn_dropped,
    mp_join_removed,
    payload_altered,
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
    _on_link(
        address_translated.Parameters,
        address_translated.AddressTranslated,
        address_translated.parameters_of_link,
    ),
    _entry(
        mp_capable_removed_from_syn.Parameters, mp_capable_removed_from_syn.MpCapableRemovedFromSyn
    ),
    _entry(
        mp_capable_removed_from_synack.Parameters,
        mp_capable_removed_from_synack.MpCapableRemovedFromSynack,
    ),
    _entry(mp_capable_syn_dropped.Parameters, mp_capable_syn_dropped.MpCapableSynDropped),
    _entry(mp_join_removed.Parameters, mp_join_removed.MpJoinRemoved),
    _entry(payload_altered.Parameters, payload_altered.PayloadAltered),
    # impairments
    _entry(link.Parameters, link.Link),
)

BEHAVIOURS: Mapping[str, Entry] = {entry.id: entry for entry in _ENTRIES}
"""What ``--behind`` takes; ``link`` is put last in every chain by itself."""

IMPAIRMENTS = frozenset({"link"})
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
