"""tshark's view of a capture, field by field, to hold ours against."""

import subprocess
from pathlib import Path

PREFERENCES = (
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
    "mptcp.analyze_mptcp:FALSE",
)


def fields(path: Path, *names: str) -> list[dict[str, list[str]]]:
    """Return for each TCP frame the values of each field, in the order of the packet."""
    command = ["tshark", "-n", "-r", str(path), "-Y", "tcp", "-T", "fields"]
    for preference in PREFERENCES:
        command += ["-o", preference]
    # Not a comma: some fields have it in their values.
    command += ["-E", "separator=/t", "-E", "aggregator=|", "-E", "occurrence=a"]
    for name in names:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [
        {name: cell.split("|") if cell else [] for name, cell in zip(names, row, strict=True)}
        for row in rows
    ]


def numbers(cells: list[str]) -> list[int]:
    return [int(cell, 0) for cell in cells]
