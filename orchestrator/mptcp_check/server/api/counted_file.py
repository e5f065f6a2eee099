"""A file as an answer whose bytes are counted as they go out."""

from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send


class CountedFile(FileResponse):
    """A file; what was sent of it is told at the end, also when the client went away.

    Args:
        path: The file.
        media_type: Its media type.
        headers: More header fields.
        count: Called once with the bytes that were sent.
    """

    def __init__(
        self,
        path: Path,
        *,
        media_type: str,
        headers: Mapping[str, str],
        count: Callable[[int], None],
    ) -> None:
        super().__init__(path, media_type=media_type, headers=headers)
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        sent_bytes = 0

        async def counted(message: Message) -> None:
            nonlocal sent_bytes
            await send(message)
            sent_bytes += len(message.get("body", b""))

        try:
            # Without `http.response.pathsend` every byte passes through here.
            plain = {**scope, "extensions": {}}
            await super().__call__(plain, receive, counted)
        finally:
            await run_in_threadpool(self._count, sent_bytes)
