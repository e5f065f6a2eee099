"""A table of twenty applications, as long as the real one will be; tests plan with it."""

from collections.abc import Mapping

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.application import Application, Mode, Opened
from mptcp_check.model import Transfer


def table() -> Mapping[str, Application]:
    """Return the real applications, and so many more that they are twenty."""
    made = dict(APPLICATIONS)
    for number in range(20 - len(made)):
        modes = {None: Mode(opened=Opened(by_client=1))}
        if number % 3 == 0:
            modes = {
                "one": Mode(opened=Opened(by_client=1), transfers=(Transfer.DOWNLOAD,)),
                "two": Mode(opened=Opened(by_client=2), payload_bytes_max=60_000),
            }
        made[f"app{number}"] = Application(
            name=f"app{number}",
            title=f"Application {number}",
            service="http",
            ports=(1000 + number, *([2000 + number] if number % 5 == 0 else [])),
            modes=modes,
            commands=lambda _, __: (),
        )
    return made
