"""A collector's application behind a real socket, in a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import uvicorn
from fastapi import FastAPI

WAIT_S = 60


@contextmanager
def threaded(app: FastAPI) -> Iterator[tuple[str, httpx2.Client]]:
    """Serve while the block runs; give the address and a client of it."""
    config = uvicorn.Config(app, port=0, log_config=None, http="h11", ws="none")
    with config.bind_socket() as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with httpx2.Client(base_url=url, timeout=WAIT_S) as client:
                yield url, client
        finally:
            server.should_exit = True
            thread.join(WAIT_S)
