"""Make a mail of what is sent, or take the body out of one that came.

@own mail wrap NAME FILE     `SENT_FILE` becomes the mail of that name
@own mail unwrap FILE        the mail's body becomes `ARRIVED_FILE`
"""

import sys
from pathlib import Path

from mptcp_guest import mail
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE


def main(*words: str) -> None:
    """Do one of both.

    Raises:
        OSError: There is no such file.
        ValueError: The words are others.
    """
    match words:
        case ("wrap", name, path):
            Path(path).write_bytes(mail.header(name) + Path(SENT_FILE).read_bytes())
        case ("unwrap", path):
            Path(ARRIVED_FILE).write_bytes(mail.body(Path(path).read_bytes()))
        case _:
            raise ValueError(f"mail {words} is neither wrap nor unwrap")


if __name__ == "__main__":
    main(*sys.argv[1:])
