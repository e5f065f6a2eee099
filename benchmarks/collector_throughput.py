"""How fast does the collector take bundles, compared with nginx's own PUT of the same files?

    .venv/bin/python benchmarks/collector_throughput.py [FILES] [MEGABYTES]

Eight clients at once send the same files over loopback: to nginx (http_dav_module), and to the
collector as it is served, which compares digests, signs receipts, and answers only when bundle,
folder and record are on the disk.  nginx answers when the kernel has the bytes; so it is measured
twice, as it is and with what has come brought to the disk at the end (`sync -f`), which is the
same promise made once instead of for each file.  Each is done three times in turn; printed are
the medians and the ratios, and whether one half is reached; before that, how long a bomb of 42 kB
takes to be refused, and how much more memory the collector has had for it.
"""

import base64
import contextlib
import hashlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zstandard

CLIENTS = int(os.environ.get("CLIENTS", "8"))
DEFAULTS = ("40", "4")
ROUNDS = 3
GOAL_RATIO = 0.5
BOMB_SECONDS = 1.0
BOMB_BYTES = 200 << 20
WAIT_S = 60.0
LISTENING = "listening on port "
NGINX, SYNCED, EACH, COLLECTOR = "nginx", "nginx, then sync", "nginx, each fsync", "collector"

Put = Callable[[str, bytes], None]


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """Run nginx with PUT; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    (folder / "put").mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""
        daemon off; worker_processes auto; pid {folder}/nginx.pid; error_log {folder}/error.log;
        {"user root;" if os.geteuid() == 0 else ""}
        events {{ worker_connections 512; }}
        http {{
          access_log off; client_max_body_size 1g; client_body_temp_path {folder}/body;
          proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
          scgi_temp_path {folder}/s;
          server {{ listen 127.0.0.1:{port}; root {folder}/put;
            location / {{ dav_methods PUT; create_full_put_path on; }} }}
        }}
        """
    )
    process = subprocess.Popen(["nginx", "-c", str(configuration), "-e", str(folder / "error.log")])
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait(WAIT_S)


@contextlib.contextmanager
def collector(folder: Path) -> Iterator[tuple[int, int]]:
    """Run the collector; give its port and its process."""
    configuration = folder / "collector.toml"
    configuration.write_text(
        f"""
        state = "{folder / "state"}"
        public_url = "https://collector.example"
        listen_port = 0
        [limits]
        free_bytes = 1048576
        requests_per_minute = 100000000
        netblock_bytes_per_day = 1099511627776
        [analysis]
        enabled = false
        """
    )
    command = "from mptcp_check.cli.main import main; main()"
    arguments = ["collector", "serve", "--config", str(configuration)]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen([sys.executable, "-c", command, *arguments], stderr=said)
    try:
        end = time.monotonic() + WAIT_S
        while LISTENING not in (text := (folder / "said").read_text()):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(text)
            time.sleep(0.05)
        port = int(text.partition(LISTENING)[2].split()[0])
        _wait(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _wait(port: int) -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    sys.exit(f"nobody answers at port {port}")


def to_nginx(port: int, folder: Path | None = None) -> Put:
    """Return what puts a file; brought to the disk before the next one where a folder is named."""

    def put(name: str, octets: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        connection.request("PUT", f"/{name}", body=octets)
        assert connection.getresponse().status in (201, 204)  # noqa: S101 - else it measures nothing
        connection.close()
        if folder is not None:
            for path in (folder / name, folder):
                descriptor = os.open(path, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)

    return put


def to_collector(port: int, files: dict[str, bytes]) -> Put:
    """Return what uploads a bundle; its digest is known before, as it is in an outbox."""
    told = {name: announcement(name, octets) for name, octets in files.items()}

    def put(name: str, octets: bytes) -> None:
        status, body = upload(port, told[name], octets)
        assert status == 201, body  # noqa: S101, PLR2004 - else it measures nothing

    return put


def announcement(name: str, octets: bytes) -> dict[str, str]:
    """Return the header fields that say what comes."""
    values = {
        "run_id": name,
        "bundle_sha256": hashlib.sha256(octets).hexdigest(),
        "schema": "mptcp-check.bundle/1",
        "deletion_sha256": hashlib.sha256(b"token").hexdigest(),
    }
    pairs = [f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in values.items()]
    return {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(len(octets)),
        "Upload-Metadata": ",".join(pairs),
        "Content-Type": "application/offset+octet-stream",
    }


def upload(port: int, head: dict[str, str], octets: bytes) -> tuple[int, bytes]:
    """Upload a bundle by tus in one request (creation-with-upload); return the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    connection.request("POST", "/api/v1/uploads", body=octets, headers=head)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status == 201:  # noqa: PLR2004 - created
        assert answer.headers["Upload-Offset"] == str(len(octets))  # noqa: S101 - it is stored
    return answer.status, body


def seconds(put: Put, files: dict[str, bytes], synchronised: Path | None = None) -> float:
    """Return how long all files take, on the disk where a folder is named."""
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(put, files, files.values()))
    if synchronised is not None:
        subprocess.run(["sync", "-f", str(synchronised)], check=True)
    return time.monotonic() - began


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had (proc(5), VmHWM)."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) << 10


def bomb(port: int, pid: int) -> bool:
    """Send 42 kB that would be gigabytes; say whether the goals are reached."""
    zeros, packer = bytes(64 << 20), zstandard.ZstdCompressor(level=19).compressobj()
    octets = b""
    while len(octets) < 42_000:  # noqa: PLR2004 - the bomb's size
        octets += packer.compress(zeros)
        octets += packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    before = peak_bytes(pid)
    began = time.monotonic()
    status, body = upload(port, announcement("run-that-is-a-bomb", octets), octets)
    took = time.monotonic() - began
    more = peak_bytes(pid) - before
    print(f"bomb of {len(octets)} bytes: {status} in {took:.2f} s, {more >> 20} MiB more memory")
    assert b"expands_too_far" in body, body  # noqa: S101 - else it measures nothing
    return took < BOMB_SECONDS and peak_bytes(pid) < BOMB_BYTES


def main(count: int, megabytes: int) -> None:
    """Measure both, in turn."""
    rounds: dict[str, list[float]] = {NGINX: [], SYNCED: [], EACH: [], COLLECTOR: []}
    with (
        tempfile.TemporaryDirectory() as text,
        nginx(Path(text)) as nginx_port,
        collector(Path(text)) as (port, pid),
    ):
        folder = Path(text)
        exploded = bomb(port, pid)
        for number in range(ROUNDS):
            octets = [os.urandom(megabytes << 20) for _ in range(count)]
            for name, taken in rounds.items():
                subprocess.run(["sync", "-f", text], check=True)
                files = {f"{name[-5:].strip()}-{number}-{n:06}": o for n, o in enumerate(octets)}
                puts = {
                    NGINX: to_nginx(nginx_port),
                    SYNCED: to_nginx(nginx_port),
                    EACH: to_nginx(nginx_port, folder / "put"),
                    COLLECTOR: to_collector(port, files),
                }
                synchronised = folder if name == SYNCED else None
                taken.append(seconds(puts[name], files, synchronised))
    medians = {name: statistics.median(taken) for name, taken in rounds.items()}
    for name, taken_s in medians.items():
        print(f"{name:18} {count * megabytes / taken_s:8.1f} MB/s, {count / taken_s:7.1f} files/s")
    reached = [exploded]
    for name in (NGINX, SYNCED, EACH):
        ratio = medians[name] / medians[COLLECTOR]
        reached.append(ratio >= GOAL_RATIO)
        word = "reached" if reached[-1] else "not reached"
        print(f"collector / {name}: {ratio:.2f}, goal {GOAL_RATIO}: {word}")
    sys.exit(not all(reached))


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :])))
