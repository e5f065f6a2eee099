"""Options from the environment: each has a variable of its name.

Click names a variable by the parameter of the function (``as_json``), users know the option
(``--json``): `named` gives it the option's name.
"""

import math
from typing import Any

import click


def named(command: click.Command, prefix: str) -> click.Command:
    """Give every option of a command, and of those in it, a variable of its own name.

    Args:
        command: Options that have a variable already keep it.
        prefix: ``MPTCP_CHECK_RUN``.

    Returns:
        The same command.
    """
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar is None and not _chooses(option):
            word = max(option.opts, key=len).lstrip("-")
            option.envvar = f"{prefix}_{as_variable(word)}"
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            named(inner, f"{prefix}_{as_variable(name)}")
    return command


def as_variable(word: str) -> str:
    """Return a word as it is in the name of a variable; PURE."""
    return word.replace("-", "_").upper()


def _chooses(option: click.Option) -> bool:
    """Say whether it is one of several flags for one parameter, which share a variable."""
    return option.is_flag and not option.is_bool_flag


class Number(click.FloatRange):
    """A number in a range: also one that is none (``nan``) is outside of it."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's interface
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return the number.

        Raises:
            BadParameter: It is none, or outside of the range.
        """
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number in the range {self._describe_range()}.", param, ctx)
        return number
