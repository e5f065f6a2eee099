"""PostgreSQL, really running, for as long as a test session needs it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
