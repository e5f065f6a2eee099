"""OpenStack Swift with its S3 interface, really running: four servers, a ring of one device each.

An object store that people run, from the distribution: it keeps objects on the disk, and is
nobody's imitation of another.
"""

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

ACCOUNT, USER, SECRET = "test", "tester", "testing"
ACCESS_KEY = f"{ACCOUNT}:{USER}"
SERVERS = ("account", "container", "object", "proxy")
PIPELINE = "catch_errors gatekeeper cache listing_formats bulk s3api tempauth slo dlo proxy-server"
FILTERS = {
    "catch_errors": "catch_errors",
    "gatekeeper": "gatekeeper",
    # nobody listens there: tokens are not kept, and S3 has none
    "cache": "memcache\nmemcache_servers = 127.0.0.1:9",
    "listing_formats": "listing_formats",
    "bulk": "bulk",
    "slo": "slo",
    "dlo": "dlo",
    "s3api": "s3api\nlocation = us-east-1",
    "tempauth": f"tempauth\nuser_{ACCOUNT}_{USER} = {SECRET} .admin",
}
WAIT_S = 120
TRIES = 3


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Give the address of an S3 service with the bucket `bundles`."""
    for left in reversed(range(TRIES)):
        with _running() as endpoint:
            if endpoint:
                yield endpoint
                return
        assert left, "Swift does not answer"  # a port was taken in between: others are tried


@contextlib.contextmanager
def _running() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="swift-") as text, contextlib.ExitStack() as stack:
        folder = Path(text)
        ports = dict(zip(SERVERS, _free_ports(len(SERVERS)), strict=True))
        (folder / "node" / "disk").mkdir(parents=True)
        user = Path("~").expanduser().owner()
        for name, port in ports.items():
            _configure(folder, name, port, user)
        processes = [stack.enter_context(_started(folder, name)) for name in SERVERS]
        endpoint = f"http://127.0.0.1:{ports['proxy']}"
        yield endpoint if _answers(endpoint, processes) else ""


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        found = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in found]


def _configure(folder: Path, name: str, port: int, user: str) -> None:
    head = {
        "bind_ip": "127.0.0.1",
        "bind_port": port,
        "workers": 0,
        "user": user,
        "swift_dir": folder,
        "devices": folder / "node",
        "mount_check": "false",
        "log_udp_host": "127.0.0.1",
        "log_udp_port": 9,
    }
    lines = ["[DEFAULT]", *(f"{key} = {value}" for key, value in head.items())]
    if name == "proxy":
        lines += ["[pipeline:main]", f"pipeline = {PIPELINE}", "[app:proxy-server]"]
        lines += ["use = egg:swift#proxy", "account_autocreate = true"]
        for part, value in FILTERS.items():
            lines += [f"[filter:{part}]", f"use = egg:swift#{value}"]
    else:
        lines += ["[pipeline:main]", f"pipeline = {name}-server"]
        lines += [f"[app:{name}-server]", f"use = egg:swift#{name}"]
        builder = str(folder / f"{name}.builder")
        for arguments in (
            ["create", "4", "1", "1"],
            ["add", f"r1z1-127.0.0.1:{port}/disk", "1"],
            ["rebalance"],
        ):
            done = subprocess.run(
                ["swift-ring-builder", builder, *arguments],
                capture_output=True,
                cwd=folder,
                timeout=WAIT_S,
                check=False,
            )
            # 1 is a warning: one copy of everything is enough here
            assert done.returncode in {0, 1}, done.stdout + done.stderr
    (folder / f"{name}-server.conf").write_text("\n".join(lines) + "\n")


@contextlib.contextmanager
def _started(folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    # it is the distribution's: our own environment is none of its business
    environment = {key: os.environ[key] for key in ("HOME", "PATH") if key in os.environ}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            ["/usr/bin/python3", f"/usr/bin/swift-{name}-server", f"{name}-server.conf"],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(WAIT_S)


def _answers(endpoint: str, processes: list[subprocess.Popen[bytes]]) -> bool:
    with pytest.MonkeyPatch.context() as patched:
        credentials(patched)
        client = boto3.client("s3", endpoint_url=endpoint)
        for _ in range(WAIT_S * 5):
            if any(process.poll() is not None for process in processes):
                return False
            try:
                client.create_bucket(Bucket="bundles")
            except (BotoCoreError, ClientError):
                threading.Event().wait(0.2)
            else:
                return True
    return False


def credentials(patched: pytest.MonkeyPatch) -> None:
    """Put what the service asks for into the environment."""
    patched.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    patched.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
