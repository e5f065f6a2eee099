"""Turn the chatter of mmdebstrap, apt and dpkg into lines that tell a person how far it is."""

import re
from collections.abc import Callable

_TOTAL = re.compile(r"^\d+ upgraded, (\d+) newly installed")
_GET = re.compile(r"^Get:\d+ \S+ \S+ \S+ (\S+) \S+ (\S+) \[(.+)\]$")
_INDEX = re.compile(r"^Get:\d+ \S+ (\S+) .*(?:Packages|InRelease) \[(.+)\]$")
_STEP = re.compile(r"^(Unpacking|Setting up) ([^\s:]+)")
_STAGE = re.compile(
    r"^I: (running apt-get update|extracting archives|installing essential packages"
    r"|installing remaining packages inside the chroot|cleaning package lists and apt cache"
    r"|creating tarball)\.*"
)

_OURS = "W: the archive has no "
"""How a warning begins that our own hook writes."""


def narrator(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that takes the tool's lines and says those that tell progress.

    One line for each package downloaded, unpacked and set up, with its place in the count
    of the current step; all else is kept back.
    """
    total = 0
    counts: dict[str, int] = {}

    def counted(step: str, what: str) -> None:
        counts[step] = counts.get(step, 0) + 1
        # apt announces the essential packages first, then the rest: the sum grows
        say(f"{step} {what} ({counts[step]} of {max(total, counts[step])})")

    def line(text: str) -> None:
        nonlocal total
        if found := _TOTAL.match(text):
            total += int(found[1])
        elif found := _INDEX.match(text):
            say(f"downloading the package list of {found[1]} ({found[2]})")
        elif found := _GET.match(text):
            counted("downloading", f"{found[1]}, {found[3]}")
        elif found := _STEP.match(text):
            counted({"Unpacking": "unpacking"}.get(found[1], "setting up"), found[2])
        elif found := _STAGE.match(text):
            say(found[1])
        elif text.startswith(_OURS):
            say(text.removeprefix("W: "))

    return line
