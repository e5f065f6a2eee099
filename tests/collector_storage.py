"""PostgreSQL and an S3 server, really running, for as long as a test session needs them."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

POSTGRES_USER = "postgres"


@contextmanager
def postgresql() -> Iterator[str]:
    """Give the URL of a cluster of its own, on a Unix socket."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    # the path of a socket has 107 characters at most, and the cluster's user must get there
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as text:
        folder = Path(text)
        # PostgreSQL refuses to run as root
        alone = ["runuser", "-u", POSTGRES_USER, "--"] if os.geteuid() == 0 else []
        user = POSTGRES_USER if alone else Path("~").expanduser().owner()
        if alone:
            shutil.chown(folder, POSTGRES_USER)
        data = folder / "data"

        def tell(program: str, *arguments: str) -> None:
            with (folder / "said").open("ab") as said:
                done = subprocess.run(
                    [*alone, str(programs / program), *arguments],
                    stdout=said,
                    stderr=said,
                    stdin=subprocess.DEVNULL,
                    cwd=folder,
                    timeout=180,
                    check=False,
                )
            assert done.returncode == 0, (folder / "said").read_text()

        tell("initdb", "-D", str(data), "-A", "trust", "-U", user, "--no-sync", "--no-instructions")
        options = f"-k {folder} -c listen_addresses= -c shared_buffers=16MB"
        tell("pg_ctl", "-D", str(data), "-o", options, "-w", "-t", "150", "start")
        try:
            yield f"postgresql+psycopg://{user}@/postgres?host={folder}"
        finally:
            tell("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "-t", "150", "stop")


@contextmanager
def s3_server() -> Iterator[str]:
    """Give the address of a moto server with the bucket `bundles`.

    Credentials are in the environment: any will do.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    try:
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="bundles")
        yield endpoint
    finally:
        server.stop()
