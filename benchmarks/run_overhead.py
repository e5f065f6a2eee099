"""How much longer `mptcp-check run --quick` takes than its machines and exchanges: the ratio.

    python benchmarks/run_overhead.py [RUNS]

From command to report with a warm cache, against the boot of both machines plus the exchanges with
what belongs to each (setting up, coming to rest, counters, digests).  The rest is imports, the
image's digest, addresses, servers, captures fetched, analysis and the report.  The first run, which
builds or fetches the image and compiles, is not counted.  Processor time, of the program and its
machines, says what a run costs also where others use this computer.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("mptcp-check")
TARGET = 1.3


def main() -> None:
    """Print each run and the median of the ratios."""
    runs_count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        _once(Path(folder) / "warm")
        ratios = [_once(Path(folder) / str(number)) for number in range(runs_count)]
    print(f"median {statistics.median(ratios):.2f}, target {TARGET}")


def _once(out: Path) -> float:
    began_s, before_s = time.monotonic(), _processor_s()
    command = [str(PROGRAM), "run", "--quick", "--json", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, check=True)
    total_s = time.monotonic() - began_s
    document = json.loads(done.stdout)
    spent = document["provenance"]["spent_ns"]
    boot_s, exchanges_s = spent["ready"] / 1e9, spent["exchanges"] / 1e9
    ratio = total_s / (boot_s + exchanges_s)
    rest_s = total_s - boot_s - exchanges_s
    print(
        f"total {total_s:6.2f} s = boot {boot_s:5.2f} + exchanges {exchanges_s:5.2f}"
        f" + rest {rest_s:5.2f}: {ratio:.2f}; processor {_processor_s() - before_s:.1f} s"
    )
    return ratio


def _processor_s() -> float:
    """Return what all children that have ended took, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
