"""The bytes of one request: from its body to the spool, and with an upload's last one to the run.

The event loop only waits: what hashes, writes or asks the database is done in a thread, and with
the last bytes all of it at once.
"""

import asyncio
import contextlib
import hashlib
import mmap
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from mptcp_collector.api import body
from mptcp_collector.collector import Collector
from mptcp_collector.meta.records import Upload
from mptcp_collector.problem import ProblemError
from mptcp_collector.spool import Part

ROOM_BYTES: Final = 2 << 20
"""What is held of a request before it goes to the disk.

Little enough that what was received is still in a processor's cache when it is hashed, and enough
that the disk gets long writes and threads do not mostly wait for the interpreter's lock.
"""

_ROOMS_MAX: Final = 64
_rooms: Final[list[mmap.mmap]] = []
"""Not needed now: new memory costs as much as what it is for.  They begin at a page, without
which nothing can go past the page cache."""

_writers: Final = ThreadPoolExecutor(6 * (os.cpu_count() or 1), "writer")
"""For each processor one thread that hashes while others wait for the disk: many more would only
wait for each other.  With a run's last byte others wait, who have nothing to compute.
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What there is after a request."""

    offset_bytes: int
    """Of the upload's bytes."""
    receipt: str
    """Of the run, where this request made it."""


async def take(
    request: Request, here: Collector, upload: Upload, part: Part, digest: bytes | None
) -> Taken:
    """Write a request's bytes; with the upload's last one the run is stored.

    Args:
        request: Nothing of its body was read.
        here: What takes it.
        upload: Which.
        part: Its file, which is closed in the end.
        digest: What the client says that its bytes have.  They are all kept then, or none is;
            else what came before an interruption is kept.

    Raises:
        ProblemError: They cannot be taken, or did not all come.
    """
    began = part.size_bytes
    idle_s = here.configuration.limits.idle_s
    coming = body.of(request)
    writing = _Writing(here, upload, part, digest)
    held = _rooms.pop() if _rooms else mmap.mmap(-1, ROOM_BYTES)
    room = memoryview(held)[: upload.size_bytes - began + 1]
    filled = 0
    loop = asyncio.get_running_loop()
    try:
        while not coming.ended:
            filled += await coming.fill(room[filled:], idle_s)
            filled = await loop.run_in_executor(_writers, writing.write, coming, room, filled)
        receipt = await asyncio.to_thread(writing.end)
    except (ProblemError, OSError):
        writing.undo()
        # a client that still sends does not read what we say
        with contextlib.suppress(body.InterruptedBodyError):
            while not coming.ended:
                await coming.fill(room, idle_s)
        raise
    except body.InterruptedBodyError:
        writing.keep(room[:filled])
        writing.undo()
        # nobody hears the answer; the next HEAD tells how far it came
        raise ProblemError("bad_request", "the bytes stopped coming") from None
    else:
        # only here: a thread of a request that was cancelled may still write what is in it
        if len(_rooms) < _ROOMS_MAX:
            _rooms.append(held)
    finally:
        part.close()
        here.metrics.count("received_bytes_total", by=part.size_bytes - began)
    return Taken(part.size_bytes, receipt)


class _Writing:
    """What is done in threads, one call at a time."""

    def __init__(self, here: Collector, upload: Upload, part: Part, digest: bytes | None) -> None:
        self._receiving = here.receiving
        self._upload = upload
        self._part = part
        self._began = part.size_bytes
        self._digest = digest
        self._hash = hashlib.sha256()

    def write(self, coming: body.Body, room: memoryview, filled: int) -> int:
        """Write full room after full room while bytes are here already, and the body's last ones.

        Returns:
            How much of the room has bytes that are not written.
        """
        while filled == len(room) or coming.ended:
            if self._part.size_bytes + filled > self._upload.size_bytes:
                raise ProblemError("too_large", "more bytes than Upload-Length announced")
            self.keep(room[:filled])
            if coming.ended:
                return 0
            filled = coming.more(room)
        return filled

    def keep(self, octets: memoryview) -> None:
        """Write bytes."""
        self._part.write(octets)
        if self._digest is not None:
            self._hash.update(octets)

    def end(self) -> str:
        """Compare the digest that was told; store the run when the upload is whole.

        Returns:
            The run's receipt, if it was stored now.
        """
        if self._digest not in (None, self._hash.digest()):
            raise ProblemError("checksum_mismatch")
        if self._part.size_bytes < self._upload.size_bytes:
            return ""
        return self._receiving.finish(self._upload, self._part)

    def undo(self) -> None:
        """Forget bytes of which a digest was told, and cannot hold any more."""
        if self._digest is not None:
            self._part.cut(self._began)
