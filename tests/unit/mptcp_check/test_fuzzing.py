"""The fuzz target runs for as long as a change's tests can wait; nightly runs give it more.

With every change it goes the same way: what luck finds beside a change must not refuse it.  Who
gives it more time searches, and each time elsewhere.
"""

import os
import subprocess
import sys
from pathlib import Path

import capture_files as cf
from rfc_figures import FIGURES
from segments import CLIENT_2, Talk

TARGET = Path(__file__).parents[2] / "fuzz" / "fuzz_capture.py"
LONGER_S = os.environ.get("MPTCP_CHECK_FUZZ_S")
BUDGET_S = int(LONGER_S or "20")
SEED = 0 if LONGER_S else 1
"""0 is another one each time."""
FILE, FRAMES, OPTIONS = (bytes([number]) for number in range(3))


def corpus(folder: Path) -> None:
    """Begin with what is good, so that mutations get past the first check."""
    talk = Talk(checksum=True)
    first = talk.capable(talk.subflow(), first_data=b"hello")
    second = talk.join(talk.subflow(CLIENT_2, isn=(70_000, 80_000)))
    talk.data(second, 1, b"world", fin=True)
    first.close()
    packets = talk.packets()
    seeds = {
        "pcap": FILE + cf.pcap(packets, link_type=101),
        "pcapng": FILE
        + cf.section()
        + cf.interface(link_type=101)
        + b"".join(cf.enhanced(packet, 5) for packet in packets),
        "frames": FRAMES + b"".join(bytes([len(frame)]) + frame for frame in packets),
        "options": OPTIONS
        + b"".join(
            bytes([1, 0x10, 1, 1, 9]) + bytes.fromhex(text)[:40].ljust(40, b"\1")
            for text, _ in FIGURES
        ),
    }
    for name, content in seeds.items():
        (folder / name).write_bytes(content)


def test_no_input_breaks_the_reader_or_the_metrics(tmp_path: Path) -> None:
    corpus(tmp_path)
    done = subprocess.run(
        [
            sys.executable,
            str(TARGET),
            str(tmp_path),
            f"-max_total_time={BUDGET_S}",
            f"-artifact_prefix={tmp_path}/",
            f"-seed={SEED}",
            "-timeout=120",
            "-rss_limit_mb=2048",
            "-max_len=4096",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=BUDGET_S + 600,
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-6000:]
    assert "Done " in done.stderr
