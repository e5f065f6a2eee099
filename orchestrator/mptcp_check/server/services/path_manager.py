"""Whether the kernel's path manager is as a server for strangers needs it; PURE.

Only the computer's operator sets it (`ip-mptcp(8)`), so what is wrong is told in the log.
"""

import re
from typing import Final

ASK: Final = ("ip", "mptcp", "limits", "show")
MEND: Final = "ip mptcp limits set subflow 8 add_addr_accepted 0"

_NUMBER: Final = re.compile(r"\b(add_addr_accepted|subflows) (\d+)\b")


def warnings(said: str) -> list[str]:
    """Return what is wrong with the limits, a sentence each, with what mends it.

    Args:
        said: What `ASK` answers.
    """
    found = {name: int(number) for name, number in _NUMBER.findall(said)}
    told = []
    if found.get("add_addr_accepted", 0):
        told.append(f"this kernel opens subflows to addresses that clients name: {MEND}")
    if not found.get("subflows", 1):
        told.append(f"this kernel takes no joins, so no client gets a second subflow: {MEND}")
    return told
