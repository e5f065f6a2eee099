"""What must be named when a behaviour is played, and what it needs: one data file; PURE."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Final

from mptcp_check.lab.case import Circumstances
from mptcp_check.middleboxes.registry import IMPAIRMENTS

FILE: Final = "expectations.toml"
_CIRCUMSTANCES: Final = ("paths", "checksum", "first", "family")
_KEYS: Final = frozenset({"names", "also", "because", "never", "play", "setup", *_CIRCUMSTANCES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a behaviour needs around it to have something to do."""

    client_side: tuple[str, ...] = ()
    """Text forms of what stands beside it, nearer to the client."""
    server_side: tuple[str, ...] = ()
    """The same, nearer to the server."""
    one_link: bool = False
    """Whether it stands on the first link only, so that a second subflow is spared."""
    announce: bool = False
    """Whether the server announces its second address (ADD_ADDR)."""
    ecn: bool = False
    """Whether both ends ask for ECN."""
    control: bool = False
    """Whether a connection of plain TCP goes before, as in a run."""
    urgent: bool = False
    """The same, with an urgent byte each way: Multipath TCP has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What one behaviour must be called, and when it can show."""

    names: frozenset[str]
    """All of them must be named."""
    also: frozenset[str] = frozenset()
    """They may be named beside it."""
    only: Mapping[str, frozenset[object]]
    """Circumstance -> values with which it can show; what is not here does not matter."""
    because: str = ""
    """Why it cannot show otherwise."""
    never: str = ""
    """Why no exchange of the lab can show it; empty if one can."""
    play: str = ""
    """With which parameters a matrix plays it; empty for its defaults."""
    setup: Setup = Setup()

    def reason_against(self, around: Circumstances) -> str | None:
        """Return why a behaviour cannot show under some circumstances; none if it can."""
        if self.never:
            return self.never
        fits = all(getattr(around, name) in allowed for name, allowed in self.only.items())
        return None if fits else self.because


def identifier(text: str) -> str:
    """Return the behaviour's identifier in its text form ``ID:key=value``."""
    return text.strip().partition(":")[0]


def expectation(text: str) -> Expectation:
    """Return what is expected of a behaviour; one without an entry must be named by its name.

    Args:
        text: Its text form.
    """
    name = identifier(text)
    return _table().get(name) or Expectation(names=_own_name(name), only={})


def parse(text: str) -> Mapping[str, Expectation]:
    """Return the table that a file holds.

    Raises:
        ValueError: It is no TOML, or an entry has a key that means nothing.
    """
    return {name: _entry(name, said) for name, said in tomllib.loads(text).items()}


def _entry(name: str, said: Mapping[str, Any]) -> Expectation:
    setup: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in said.get("setup", {}).items()
    }
    unknown = (said.keys() - _KEYS) | (setup.keys() - {f.name for f in fields(Setup)})
    if unknown:
        raise ValueError(f"{name}: no key is called {', '.join(sorted(unknown))}")
    only = {key: frozenset(said[key]) for key in _CIRCUMSTANCES if key in said}
    if bool(only) is not bool(said.get("because")):
        raise ValueError(f"{name}: circumstances and `because` come together or not at all")
    return Expectation(
        names=frozenset(said["names"]) if "names" in said else _own_name(name),
        also=frozenset(said.get("also", ())),
        only=only,
        because=said.get("because", ""),
        never=said.get("never", ""),
        play=said.get("play", ""),
        setup=Setup(**setup),
    )


def _own_name(name: str) -> frozenset[str]:
    # an impairment is no middlebox's doing
    return frozenset() if name in IMPAIRMENTS else frozenset({name})


@cache
def _table() -> Mapping[str, Expectation]:
    return parse((resources.files(__package__) / FILE).read_text(encoding="utf-8"))
