"""The flags that choose a run's depth."""

import click

from mptcp_check.cli import variables
from mptcp_check.errors import UsageError
from mptcp_check.exchanges.scopes import Depth


class DepthFlag(click.Option):
    """One of the flags that choose a run's depth; the variable names the depth.

    Click itself takes from the variable of such a flag what it knows, and leaves out the rest.
    """

    def value_from_envvar(self, ctx: click.Context) -> str | None:
        """Return what the variable says.

        Raises:
            UsageError: There is no such depth.
        """
        said = self.resolve_envvar_value(ctx)
        if said is not None and said not in set(Depth):
            variable = f"{ctx.auto_envvar_prefix}_{variables.as_variable(self.name or '')}"
            raise UsageError(
                f"{variable} = {said!r} is not {' or '.join(Depth)}",
                hint="correct the variable of the environment, or unset it",
            )
        return said
