"""How fast does the collector take bundles, compared with nginx's own PUT of the same files?

    .venv/bin/python benchmarks/collector_throughput.py [FILES] [MEGABYTES]

Fifty clients at once send the same files over loopback: to nginx (http_dav_module), and to the
collector as it is served, with the two requests that our own client makes on a way that carries
(the upload's beginning; all its bytes, for which the receipt comes).  The collector compares
digests, signs receipts, and answers only when bundle, folder and record are on the disk.  nginx
answers when the kernel has the bytes; so it is measured three times: as it is, with everything
brought to the disk at the end (`sync -f`), and with each file and its folder brought to the disk
before the next one, which is the collector's promise without digest, database and signature.  All
four are done in turn, several times; printed are the medians, and of each ratio its median over the
rounds: on a shared machine one round's figures are worth more beside each other than beside another
round's.

The files are as large as a bundle of `mptcp-check run --quick`, 17 MB; that of a default run has
147 MB.  Of smaller files HTTP, database and signature are the larger part: decision 34 has figures.

What does not depend on who else uses the machine is printed too: the processor time that a file
costs nginx and the collector, and what SHA-256 alone takes of it.  Before that, how long a bomb of
42 kB takes to be refused, and how much more memory the collector has had for it.

Reached on two processors, six runs: 0.87 to 1.02 of nginx then sync, 0.72 to 0.83 of nginx with
each fsync, 0.51 to 0.57 of nginx left to the kernel; 14 ms of processor time for a file, nginx 8.
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
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import zstandard

CLIENTS = 50
DEFAULTS = ("50", "16")
ROUNDS = 5
GOAL_RATIO = 0.5
BOMB_SECONDS = 1.0
BOMB_BYTES = 200 << 20
WAIT_S = 60.0
BYTES = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
LISTENING = "listening on port "
NGINX, SYNCED, EACH, COLLECTOR = "nginx", "nginx, then sync", "nginx, each fsync", "collector"

Put = Callable[[str, bytes], None]


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[tuple[int, list[int]]]:
    """Run nginx with PUT; give its port and its processes that serve."""
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
        found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        yield port, [int(pid) for pid in found.split()]
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
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        begun = asked(connection, 201, "POST", "/api/v1/uploads", headers=told[name])
        head = {**BYTES, "Upload-Offset": "0", "Prefer": "return=representation"}
        # 200: it is stored, and this is the receipt
        asked(connection, 200, "PATCH", begun["Location"], body=octets, headers=head)
        connection.close()

    return put


def asked(
    connection: http.client.HTTPConnection,
    status: int,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> http.client.HTTPMessage:
    """Ask, and return the answer's header fields; another status than wanted ends it all."""
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status == status, said  # noqa: S101 - else it measures nothing
    return answer.headers


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
    }


def upload(port: int, head: dict[str, str], octets: bytes) -> tuple[int, bytes]:
    """Upload a bundle by tus in one request (creation-with-upload); return the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    connection.request("POST", "/api/v1/uploads", body=octets, headers={**BYTES, **head})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
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


def cpu_s(pids: list[int]) -> float:
    """Return the processor time that processes have had (proc(5), utime and stime)."""
    fields = [Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split() for p in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")


def main(count: int, megabytes: int) -> None:
    """Measure all, in turn."""
    taken: dict[str, list[float]] = {NGINX: [], SYNCED: [], EACH: [], COLLECTOR: []}
    spent = dict.fromkeys(taken, 0.0)
    with (
        tempfile.TemporaryDirectory() as text,
        nginx(Path(text)) as (nginx_port, nginx_pids),
        collector(Path(text)) as (port, pid),
    ):
        folder = Path(text)
        exploded = bomb(port, pid)
        for number in range(ROUNDS):
            octets = [os.urandom(megabytes << 20) for _ in range(count)]
            for kind, name in enumerate(taken):
                subprocess.run(["sync", "-f", text], check=True)
                files = {f"file-{number}-{kind}-{n:06}": each for n, each in enumerate(octets)}
                put = {
                    NGINX: to_nginx(nginx_port),
                    SYNCED: to_nginx(nginx_port),
                    EACH: to_nginx(nginx_port, folder / "put"),
                    COLLECTOR: to_collector(port, files),
                }[name]
                pids = [pid] if name == COLLECTOR else nginx_pids
                before = cpu_s(pids)
                taken[name].append(seconds(put, files, folder if name == SYNCED else None))
                spent[name] += cpu_s(pids) - before
            for path in (folder / "put").iterdir():
                path.unlink()
        began = time.process_time()
        hashlib.sha256(octets[0]).digest()
        hashing_s = time.process_time() - began
    for name, each_s in taken.items():
        rate = count / statistics.median(each_s)
        cost_ms = spent[name] / (ROUNDS * count) * 1e3
        words = (
            f"{rate * megabytes:8.1f} MB/s, {rate:7.1f} files/s, {cost_ms:5.1f} ms processor each"
        )
        print(f"{name:18} {words}")
    print(f"{'SHA-256 alone':18} {'':33}{hashing_s * 1e3:5.1f} ms processor each")
    reached = [exploded]
    for name in (NGINX, SYNCED, EACH):
        pairs = zip(taken[name], taken[COLLECTOR], strict=True)
        ratio = statistics.median(theirs / ours for theirs, ours in pairs)
        reached.append(ratio >= GOAL_RATIO)
        word = "reached" if reached[-1] else "not reached"
        print(f"collector / {name}: {ratio:.2f}, goal {GOAL_RATIO}: {word}")
    sys.exit(not all(reached))


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :])))
