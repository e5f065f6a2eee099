"""Run a program whose input and output are files, as a shell's ``<`` and ``>`` do.

    python -m mptcp_guest.clients.piped INPUT OUTPUT PROGRAM [ARGUMENT ...]

``-`` is nothing as input, and where messages go as output.
"""

import os
import sys

NONE = "-"
FILE_MODE = 0o600


def main(words: list[str]) -> None:
    """Open both and become the program."""
    source, output, *command = words
    if source != NONE:
        os.dup2(os.open(source, os.O_RDONLY), sys.stdin.fileno())
    if output != NONE:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(output, flags, FILE_MODE), sys.stdout.fileno())
    os.execvp(command[0], command)  # noqa: S606 - becomes the client that an exchange names


if __name__ == "__main__":
    main(sys.argv[1:])
