"""`mptcp-check image` as its user calls it, and what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from image_catalogues import KEY


@dataclass(frozen=True, kw_only=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The message; a traceback or a second message fails the test."""
        (found,) = [x for x in self.err.splitlines() if x.startswith("mptcp-check: ")]
        return found


Call = Callable[..., Said]


def fetched(call: Call, catalogue: Path) -> Path:
    said = call("fetch", catalogue, "--key", KEY.public.text)
    assert said.code == 0, said.err
    return Path(said.out.strip())
