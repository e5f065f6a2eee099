"""Put together what came in pieces, each over a connection of its own.

@own pieces FILE...     the files, one after the other, become `ARRIVED_FILE`
"""

import shutil
import sys
from pathlib import Path

from mptcp_guest.messages import ARRIVED_FILE


def main(*names: str) -> None:
    """Do it; the pieces are gone then.

    Raises:
        OSError: A piece is not there.
    """
    with Path(ARRIVED_FILE).open("wb") as whole:
        for name in names:
            with Path(name).open("rb") as piece:
                shutil.copyfileobj(piece, whole)
            Path(name).unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
