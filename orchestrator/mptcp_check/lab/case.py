"""One case of the lab: what is played and under which circumstances; PURE."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from mptcp_check.lab.kernel_boxes import PREFIX
from mptcp_check.model import Exchange, Family, Side, Transfer, Transport

STREAM: Final = "stream"
"""The application of `stream.py`, by which the lab's quick cases run."""
CLEAN: Final = "clean"
"""The name of a case with nothing in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What varies around one behaviour."""

    checksum: bool = False
    paths: int = 2
    first: Side = Side.CLIENT
    """Who speaks first."""
    family: Family = Family.IPV4
    transport: Transport = Transport.MPTCP

    def words(self) -> str:
        """Return them as people read them."""
        subflows = "1 subflow" if self.paths == 1 else f"{self.paths} subflows"
        checksums = "with checksums" if self.checksum else "without checksums"
        return f"{subflows}, {checksums}, {self.first} first, {self.family}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One network with boxes in it, and one exchange through it."""

    behaviours: tuple[str, ...]
    """As the command line takes them, the first nearest to the client; empty is a clean path."""
    circumstances: Circumstances = Circumstances()
    seed: int = 0
    """Of the behaviours' randomness and of the payloads."""
    payload_bytes: int = 200_000
    """Each way."""

    @property
    def name(self) -> str:
        """What is played."""
        return "+".join(self.behaviours) or CLEAN

    @property
    def box(self) -> str | None:
        """The kernel's box among the behaviours, if there is one."""
        return next((b for b in self.behaviours if b.startswith(PREFIX)), None)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    @staticmethod
    def of_json(said: Mapping[str, Any]) -> "Case":
        """Return what `as_json` wrote."""
        around = said["circumstances"]
        return Case(
            behaviours=tuple(said["behaviours"]),
            seed=said["seed"],
            payload_bytes=said["payload_bytes"],
            circumstances=Circumstances(
                checksum=around["checksum"],
                paths=around["paths"],
                first=Side(around["first"]),
                family=Family(around["family"]),
                transport=Transport(around["transport"]),
            ),
        )


def stream_exchange(
    around: Circumstances, *, number: int, port: int, payload_bytes: int
) -> Exchange:
    """Return the light exchange as plans and reports know exchanges.

    Who speaks first sends first: a client that does uploads.  Bytes go both ways in either case.
    """
    return Exchange(
        id=number,
        app=STREAM,
        mode=f"{around.first}_first",
        direction=Transfer.UPLOAD if around.first is Side.CLIENT else Transfer.DOWNLOAD,
        transport=around.transport,
        checksum=around.checksum,
        paths=around.paths if around.transport is Transport.MPTCP else 1,
        family=around.family,
        port=port,
        payload_bytes=payload_bytes,
        deadline_s=9.0,
    )
