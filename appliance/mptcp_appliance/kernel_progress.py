"""Turn the lines of a kernel's make into lines that tell a person how far it is."""

import re
from collections.abc import Callable

# headers are copied by the thousand, in no time
_STEP = re.compile(r"^  (?!HDRINST )[A-Z][A-Z0-9_]* +(?:\[.\] )?(\S+)")


def counter(say: Callable[[str], None], *, about_steps: int) -> Callable[[str], None]:
    """Return a function that takes make's lines, and says for each step its share of all.

    Args:
        say: Called with one line.
        about_steps: How many steps a whole build has, about; the share stays below 100 %
            until the end, however many there are.
    """
    done = 0

    def line(text: str) -> None:
        nonlocal done
        if found := _STEP.match(text):
            done += 1
            share = min(99, 100 * done // about_steps)
            name = found[1].rsplit("/", 1)[-1]
            say(f"compiling the kernel: {share} % ({done} files, {name})")

    return line
