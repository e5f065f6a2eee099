"""A collector's application behind a real socket, in a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import uvicorn
from starlette.types import ASGIApp

from mptcp_collector.connection import Connection

WAIT_S = 60


@contextmanager
def threaded(
    app: ASGIApp, *, certificate: Path | None = None, private_key: Path | None = None
) -> Iterator[tuple[str, httpx2.Client]]:
    """Serve while the block runs, over TLS with a certificate; give the address and a client."""
    config = uvicorn.Config(
        app,
        port=0,
        log_config=None,
        http=Connection,
        ws="none",
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
    )
    with config.bind_socket() as listening:
        # whoever connects before the thread runs waits for it
        listening.listen()
        scheme = "https" if certificate else "http"
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with httpx2.Client(base_url=url, timeout=WAIT_S, verify=False) as client:
                yield url, client
        finally:
            server.should_exit = True
            thread.join(WAIT_S)
