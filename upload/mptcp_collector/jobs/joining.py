"""The measurement server's own capture of a run: fetched, anonymised, kept, and judged with it.

The ticket that came with the upload names server and session and opens the capture there, until
its server's deadline.  What comes holds the user's addresses as the Internet sees them: a sandbox
replaces them with a key that nobody keeps, and only that is stored.
"""

import io
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from mptcp_collector import spool
from mptcp_collector.blobs.blob_store import BlobStore
from mptcp_collector.jobs.judging import Answer
from mptcp_collector.jobs.sandbox import SandboxError
from mptcp_collector.jobs.server_sources import NeverError, NotYetError, Source
from mptcp_collector.meta.meta_store import MetaStore
from mptcp_collector.meta.records import CaptureState, ServerCapture
from mptcp_collector.spool import Spool

BATCH: Final = 20
CHILD: Final = "mptcp_collector.jobs.anonymise_child"
KEY_BYTES: Final = 32
FIRST_WAIT_S: Final = 30
LONGEST_WAIT_S: Final = 3600
_NS: Final = 10**9
_TEXT_LIMIT: Final = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What joins; stopped at any point it begins that capture again."""

    meta: MetaStore
    blobs: BlobStore
    spool: Spool
    sources: Mapping[str, Source]
    """By the server's id."""
    wall_ns: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    answer: Answer
    limit_bytes: int

    def join_due(self) -> int:
        """Try every capture whose time has come; return how many were joined."""
        due = self.meta.captures_due(self.wall_ns(), limit=BATCH)
        return sum(self.join(one) for one in due)

    def join(self, wanted: ServerCapture) -> bool:
        """Try to get one capture; say whether it was joined."""
        source = self.sources.get(wanted.server_id)
        try:
            if source is None:
                raise NeverError("this collector does not know that server any more")  # noqa: TRY301 - one place for what never comes
            joined = self._fetched(wanted, source)
        except NotYetError as e:
            self._later(wanted, str(e))
            return False
        except (NeverError, SandboxError) as e:
            self._never(wanted, str(e))
            return False
        log.info("run %s: the server's capture is joined", wanted.run_id)
        return joined

    def _fetched(self, wanted: ServerCapture, source: Source) -> bool:
        self._forget(wanted.sha256)
        with tempfile.TemporaryFile() as file:
            source.fetch(wanted, file, limit_bytes=self.limit_bytes)
            file.seek(0)
            key = io.BytesIO(self.random_bytes(KEY_BYTES))
            octets = self.answer(CHILD, (), (key, file))
        with self.spool.scratch() as (path, kept):
            kept.write(octets)
            kept.flush()
            os.fsync(kept.fileno())
            found = replace(wanted, sha256=spool.sha256(path), size_bytes=len(octets))
            # the digest first: what a crash leaves is found by it, and removed
            self.meta.set_server_capture(found, note="", now_ns=self.wall_ns())
            with self.spool.storing(found.sha256):
                self.blobs.put(found.sha256, path)
                there = self.meta.set_server_capture(
                    replace(
                        found,
                        state=CaptureState.JOINED,
                        token="",
                        reason="",
                        tried_count=wanted.tried_count + 1,
                    ),
                    note="server's capture joined",
                    now_ns=self.wall_ns(),
                )
        if not there:
            self._forget(found.sha256)  # the run was deleted in between
        return there

    def _forget(self, sha256: str) -> None:
        if sha256:
            with self.spool.storing(sha256):
                if not self.meta.bundle_wanted(sha256):
                    self.blobs.remove(sha256)

    def _later(self, wanted: ServerCapture, reason: str) -> None:
        now_ns = self.wall_ns()
        source = self.sources.get(wanted.server_id)
        ends_ns = wanted.collect_until_ns + (source.patience_s if source else 0) * _NS
        if now_ns >= ends_ns:
            self._never(wanted, f"its time is over; last: {reason}")
            return
        wait_s = min(FIRST_WAIT_S << min(wanted.tried_count, 16), LONGEST_WAIT_S)
        next_ns = now_ns + wait_s * _NS
        if now_ns < wanted.collect_until_ns:
            # one more time just before the server's own deadline
            next_ns = min(next_ns, max(now_ns + _NS, wanted.collect_until_ns - FIRST_WAIT_S * _NS))
        tried = replace(
            wanted,
            reason=reason[:_TEXT_LIMIT],
            tried_count=wanted.tried_count + 1,
            next_try_ns=next_ns,
        )
        self.meta.set_server_capture(tried, note="", now_ns=now_ns)

    def _never(self, wanted: ServerCapture, reason: str) -> None:
        gone = replace(
            wanted,
            state=CaptureState.GONE,
            token="",
            reason=reason[:_TEXT_LIMIT],
            tried_count=wanted.tried_count + 1,
        )
        self.meta.set_server_capture(gone, note="server's capture gone", now_ns=self.wall_ns())
