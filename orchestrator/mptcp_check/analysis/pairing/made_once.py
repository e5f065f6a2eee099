"""What detectors and measures ask of a whole table is made when the first of them asks."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Self, TypeVar

Made = TypeVar("Made")


class MadeOnce:
    """Something that never changes, and keeps what functions make of it."""

    @cached_property
    def _made(self) -> dict[Callable[..., Any], Any]:
        return {}

    def once(self, make: Callable[[Self], Made]) -> Made:
        """Return what a function makes of this; it is called the first time only."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made
