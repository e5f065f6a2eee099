"""The behaviours by their identifiers in the catalogue, each with its default parameters."""

from collections.abc import Mapping
from typing import Protocol

from mptcp_check.errors import UsageError
from mptcp_check.middleboxes.address_translated import AddressTranslated, parameters_of_link
from mptcp_check.middleboxes.behaviour import Behaviour, Randomness
from mptcp_check.middleboxes.link import Link
from mptcp_check.middleboxes.mp_capable_removed_from_syn import MpCapableRemovedFromSyn
from mptcp_check.middleboxes.mp_capable_removed_from_synack import MpCapableRemovedFromSynack
from mptcp_check.middleboxes.mp_capable_syn_dropped import MpCapableSynDropped
from mptcp_check.middleboxes.mp_join_removed import MpJoinRemoved
from mptcp_check.middleboxes.payload_altered import PayloadAltered


class Factory(Protocol):
    """Makes one behaviour for one link; each link has its own, as boxes share no state."""

    def __call__(self, *, link_index: int, rng: Randomness) -> Behaviour:
        """Return a new behaviour.

        Args:
            link_index: The link, from 0: addresses of the box follow from it.
            rng: The only source of randomness it may use.
        """
        ...


def _same_everywhere(make: type[Behaviour]) -> Factory:
    """Return a factory for a behaviour that needs neither the link nor randomness."""

    def factory(*, link_index: int, rng: Randomness) -> Behaviour:  # noqa: ARG001 - the protocol
        return make()

    return factory


def _address_translated(*, link_index: int, rng: Randomness) -> Behaviour:  # noqa: ARG001 - the protocol
    return AddressTranslated(parameters_of_link(link_index))


BEHAVIOURS: Mapping[str, Factory] = {
    "address_translated": _address_translated,
    "mp_capable_removed_from_syn": _same_everywhere(MpCapableRemovedFromSyn),
    "mp_capable_removed_from_synack": _same_everywhere(MpCapableRemovedFromSynack),
    "mp_capable_syn_dropped": _same_everywhere(MpCapableSynDropped),
    "mp_join_removed": _same_everywhere(MpJoinRemoved),
    "payload_altered": _same_everywhere(PayloadAltered),
    "link": _same_everywhere(Link),
}
"""What ``--behind`` takes; ``link`` is put last in every chain by itself."""


def build(name: str, *, link_index: int, rng: Randomness) -> Behaviour:
    """Make a behaviour by its name.

    Args:
        name: An identifier of the catalogue.
        link_index: The link it will stand on, from 0.
        rng: Seeded by the caller.

    Raises:
        UsageError: There is no such behaviour; the message lists those there are.
    """
    factory = BEHAVIOURS.get(name)
    if factory is None:
        known = ", ".join(sorted(BEHAVIOURS))
        raise UsageError(f"no behaviour is called {name!r}", hint=f"there are: {known}")
    return factory(link_index=link_index, rng=rng)
