"""Run iperf3 towards this end, and tell by a file how many bytes came.

    @own iperf3 ADDRESS PORT BYTES [MARKER]

`ARRIVED_FILE` becomes as many zeros as iperf3 says that came: BYTES only when the server says it
sent as many as the client says it got, and all blocks are there.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from mptcp_guest.messages import ARRIVED_FILE

BLOCK_BYTES_MAX = 128 * 1024


def blocks(wanted_bytes: int) -> tuple[int, int]:
    """Return how many blocks are at least so many bytes, and the size of each; PURE."""
    size = min(max(wanted_bytes, 1), BLOCK_BYTES_MAX)
    return -(-max(wanted_bytes, 1) // size), size


def arrived_bytes(said: Any, wanted_bytes: int) -> int:  # noqa: ANN401 - what iperf3 wrote, whatever
    """Return how much of what was wanted came, by iperf3's document; PURE.

    Whole blocks are sent, so more than was wanted may come; what was wanted came when everything
    that was sent did.
    """
    count, size = blocks(wanted_bytes)
    try:
        end = said["end"]
        sent, received = (int(end[key]["bytes"]) for key in ("sum_sent", "sum_received"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0
    if sent == received == count * size:
        return wanted_bytes
    return max(0, min(received, wanted_bytes - 1))


def main(address: str, port: str, wanted: str, marker: str = "") -> int:
    """Do one exchange and return iperf3's exit code; a server that many share is told whose."""
    _, size = blocks(int(wanted))
    done = subprocess.run(  # noqa: S603 - a list, whose words the orchestrator gave
        [
            *("iperf3", "--client", address, "--port", port, "--json", "--reverse"),
            *("--bytes", wanted, "--length", str(size)),
            *(("--extra-data", marker) if marker else ()),
        ],
        stdout=subprocess.PIPE,
        check=False,
    )
    sys.stdout.buffer.write(done.stdout)
    try:
        said = json.loads(done.stdout)
    except (ValueError, RecursionError):
        said = None
    with Path(ARRIVED_FILE).open("wb") as file:
        file.truncate(arrived_bytes(said, int(wanted)))
    if isinstance(said, dict) and "error" in said:
        print(said["error"], file=sys.stderr)  # noqa: T201 - told as the client's last word
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
