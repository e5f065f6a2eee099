"""From the first announcement to the receipt, in an order in which a crash costs nothing.

1.  Bytes arrive in the spool.  With the last one the file is synchronised, its digest compared,
    and what would expand too far is refused.
2.  The blob store keeps it; on return it is on the disk.
3.  One transaction adds the run with its receipt and marks the upload finished.  Only now is the
    run visible, and only now does the client get its answer.
4.  The spool's file goes.

A crash between any two of them leaves the upload unfinished with all its bytes: the next start,
or the client's next question, does 1 to 4 again, and each of them does nothing a second time.
A run is never looked at before it is stored: see `jobs`.
"""

import errno
import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mptcp_check.netblock import netblock
from mptcp_collector import expansion, ticket
from mptcp_collector.blobs.blob_store import BlobStore
from mptcp_collector.configuration import Configuration
from mptcp_collector.meta.meta_store import MetaStore
from mptcp_collector.meta.records import Run, RunState, ServerCapture, Upload
from mptcp_collector.problem import ProblemError
from mptcp_collector.receipt import Stored, sign
from mptcp_collector.spool import Part, Spool
from mptcp_collector.ticket import Ticket
from mptcp_collector.tus import Announced

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
SCRATCH_S: Final = 86_400
_NS: Final = 10**9

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """What takes uploads; every method blocks, and may be called by many threads."""

    configuration: Configuration
    meta: MetaStore
    blobs: BlobStore
    spool: Spool
    key: Ed25519PrivateKey
    servers: Mapping[str, Ed25519PublicKey]
    """Measurement servers whose tickets are believed."""
    wall_ns: Callable[[], int]
    random_bytes: Callable[[int], bytes]

    def create(self, wish: Announced, address: str) -> tuple[Upload, int]:
        """Let an upload begin, or go on where the same one stopped; return it and its offset.

        Raises:
            ProblemError: It cannot be taken; the problem says why.
        """
        limits = self.configuration.limits
        if wish.schema > limits.schema_newest:
            raise ProblemError("schema_too_new", newest=limits.schema_newest)
        if wish.schema < limits.schema_oldest:
            raise ProblemError("schema_too_old", oldest=limits.schema_oldest)
        if not 0 < wish.size_bytes <= limits.bundle_bytes:
            raise ProblemError("too_large", allowed_bytes=limits.bundle_bytes)
        if wish.expanded_bytes > limits.expanded_bytes:
            raise ProblemError("expands_too_far", allowed_bytes=limits.expanded_bytes)
        now_ns = self.wall_ns()
        proof = self._proof(wish, now_ns)
        run = self.meta.run(wish.run_id)
        if run is not None:
            _same(run, wish.bundle_sha256)
        elif self.spool.free_bytes() < limits.free_bytes + wish.size_bytes:
            raise ProblemError("storage_full")
        upload = self.meta.open_upload(
            Upload(
                id=self.random_bytes(16).hex(),
                run_id=wish.run_id,
                bundle_sha256=wish.bundle_sha256,
                # whoever sends a bundle again need not send it: it is here
                size_bytes=run.size_bytes if run else wish.size_bytes,
                schema=wish.schema,
                deletion_sha256=wish.deletion_sha256,
                netblock=netblock(address),
                ticket=f"{proof.server_id} {proof.session_id}" if proof else "",
                created_ns=now_ns,
                expires_ns=now_ns + limits.upload_s * _NS,
                finished=run is not None,
                token=proof.token if proof else "",
                collect_until_ns=proof.collect_until_ns if proof else 0,
            ),
            quota_bytes=limits.netblock_bytes_per_day,
        )
        if upload is None:
            raise ProblemError("quota_exceeded", allowed_bytes=limits.netblock_bytes_per_day)
        if upload.size_bytes != wish.size_bytes:
            raise ProblemError("digest_mismatch", "the same digest was announced with another size")
        return upload, self._offset(upload)

    def at(self, upload_id: str) -> tuple[Upload, int]:
        """Return an upload and its offset; one with all its bytes is finished before.

        Raises:
            ProblemError: ``upload_unknown``, ``upload_expired``, or what `finish` says.
        """
        upload = self._upload(upload_id)
        offset = self._offset(upload)
        if offset == upload.size_bytes and not upload.finished:
            with self.spool.locked(upload.id) as part:
                self.finish(upload, part)
        return upload, offset

    def begin(self, upload_id: str, offset: int) -> tuple[Upload, Part]:
        """Take an upload's file to add bytes; the caller closes it.

        Raises:
            ProblemError: ``offset_mismatch``, ``upload_busy``, and as `at`.
        """
        upload = self._upload(upload_id)
        part = self.take(upload, offset)
        try:
            self._see_unfinished(upload_id)
        except ProblemError:
            part.close()
            raise
        return upload, part

    def take(self, upload: Upload, offset: int) -> Part:
        """Take the file of an upload whose record was just seen; the caller closes it.

        Raises:
            ProblemError: ``offset_mismatch`` or ``upload_busy``.
        """
        if upload.finished:
            raise ProblemError("offset_mismatch", offset=upload.size_bytes)
        part = Part(self.spool.path(upload.id))
        if part.size_bytes != offset:
            part.close()
            raise ProblemError("offset_mismatch", offset=part.size_bytes)
        return part

    def finish(self, upload: Upload, part: Part) -> str:
        """Make a run of an upload that has all its bytes; again does nothing.

        Returns:
            The run's receipt; nothing where somebody had made the run before.

        Raises:
            ProblemError: It is not what was announced, or expands too far: the upload is gone,
                and its sender may begin again; or somebody ended it meanwhile.
            OSError: The storage is full or does not answer: the upload stays.
        """
        now = self.meta.upload(upload.id)
        if now is None or now.finished:
            # since the file was taken; its bytes belong to nothing
            self.spool.remove(upload.id)
        if now is None:
            raise ProblemError("upload_unknown")
        if now.finished:
            return ""
        part.synchronise()
        try:
            self._see_bytes(upload, part)
            with self.spool.storing(upload.bundle_sha256):
                self.blobs.put(upload.bundle_sha256, part.path)
                run = self.meta.add_run(
                    self._run(now), upload_id=upload.id, capture=self._wanted_capture(now)
                )
            _same(run, upload.bundle_sha256)
        except ProblemError as e:
            self.meta.forget_upload(upload.id)
            self.spool.remove(upload.id)
            self.sweep(upload.bundle_sha256)
            self.meta.note(f"refused: {e.problem.name}", upload.run_id, now_ns=self.wall_ns())
            raise
        self.spool.remove(upload.id)
        return run.receipt

    def end(self, upload_id: str) -> None:
        """Forget an upload; a run that came of it stays.

        Raises:
            ProblemError: ``upload_busy``, or as `at`.
        """
        upload = self._upload(upload_id)
        with self.spool.locked(upload.id):
            self.meta.forget_upload(upload.id)
            self.spool.remove(upload.id)

    def run(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            ProblemError: ``run_unknown`` or ``run_deleted``.
        """
        run = self.meta.run(run_id)
        if run is None:
            raise ProblemError("run_unknown")
        if run.state is RunState.DELETED:
            raise ProblemError("run_deleted")
        return run

    def delete(self, run_id: str, token: str) -> None:
        """Delete a run by the token whose digest came with it; again does nothing.

        Raises:
            ProblemError: ``run_unknown`` or ``token_wrong``.
        """
        run = self.meta.run(run_id)
        if run is None:
            raise ProblemError("run_unknown")
        given = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        if not hmac.compare_digest(given, run.deletion_sha256):
            raise ProblemError("token_wrong")
        self.remove(run, action="deleted by its owner")

    def remove(self, run: Run, *, action: str) -> None:
        """Make a tombstone of a run, and remove its bytes; again only removes bytes.

        Args:
            run: Which.
            action: For the audit log; it begins with ``deleted``.
        """
        if run.state is not RunState.DELETED:
            self.meta.delete_run(run.run_id, now_ns=self.wall_ns(), action=action)
        self.sweep_run(run)

    def sweep_run(self, run: Run) -> None:
        """Remove a run's bundle and the server's capture where no live run has them."""
        capture = self.meta.server_capture(run.run_id)
        self.sweep(run.bundle_sha256)
        if capture is not None and capture.sha256:
            self.sweep(capture.sha256)

    def recover(self) -> None:
        """Go on where a crash stopped, at start: finish what has all its bytes, tidy the rest."""
        for upload in self.meta.uploads(finished=False):
            if self.spool.size_bytes(upload.id) != upload.size_bytes:
                continue
            try:
                with self.spool.locked(upload.id) as part:
                    self.finish(upload, part)
            except ProblemError as e:
                log.warning("upload of run %s: %s", upload.run_id, e.problem.name)
        for digest in self.meta.deleted_bundles():
            self.sweep(digest)
        self.tidy()

    def tidy(self) -> None:
        """Remove uploads whose time is over, and files that belong to none."""
        now_ns = self.wall_ns()
        # files first: an upload that begins in between has its record before its file
        files = self.spool.ids()
        known = set()
        for finished in (False, True):
            for upload in self.meta.uploads(finished=finished):
                if upload.expires_ns > now_ns:
                    if not finished:
                        known.add(upload.id)
                    continue
                try:
                    with self.spool.locked(upload.id):
                        self.meta.forget_upload(upload.id)
                        self.spool.remove(upload.id)
                except ProblemError:
                    known.add(upload.id)  # it is being written to: next time
        for name in files - known:
            self.spool.remove(name)
        self.spool.tidy_scratch(now_ns - SCRATCH_S * _NS)

    def _proof(self, wish: Announced, now_ns: int) -> Ticket | None:
        if not wish.ticket:
            return None
        age_max_s = self.configuration.limits.ticket_age_s
        return ticket.verify(
            wish.ticket, self.servers, run_id=wish.run_id, now_ns=now_ns, age_max_s=age_max_s
        )

    def _upload(self, upload_id: str) -> Upload:
        upload = self.meta.upload(upload_id)
        if upload is None:
            raise ProblemError("upload_unknown")
        if upload.expires_ns <= self.wall_ns():
            raise ProblemError("upload_expired")
        return upload

    def _see_unfinished(self, upload_id: str) -> Upload:
        # somebody may have finished or ended it between the question and the lock
        now = self.meta.upload(upload_id)
        if now is None or now.finished:
            self.spool.remove(upload_id)
        if now is None:
            raise ProblemError("upload_unknown")
        if now.finished:
            raise ProblemError("offset_mismatch", offset=now.size_bytes)
        return now

    def _see_bytes(self, upload: Upload, part: Part) -> None:
        if part.sha256() != upload.bundle_sha256:
            raise ProblemError("digest_mismatch", "send the bundle again from its first byte")
        limit = self.configuration.limits.expanded_bytes
        expansion.check(part.path, expanded_max_bytes=limit)

    def _offset(self, upload: Upload) -> int:
        return upload.size_bytes if upload.finished else self.spool.size_bytes(upload.id)

    def _run(self, upload: Upload) -> Run:
        received_ns = self.wall_ns()
        stored = Stored(
            run_id=upload.run_id,
            bundle_sha256=upload.bundle_sha256,
            size_bytes=upload.size_bytes,
            received_ns=received_ns,
            policy_version=self.configuration.policy_version,
            url=f"{self.configuration.public_url.rstrip('/')}/runs/{upload.run_id}",
        )
        return Run(
            run_id=upload.run_id,
            bundle_sha256=upload.bundle_sha256,
            size_bytes=upload.size_bytes,
            schema=upload.schema,
            deletion_sha256=upload.deletion_sha256,
            ticket=upload.ticket,
            received_ns=received_ns,
            receipt=sign(stored, self.key),
        )

    def _wanted_capture(self, upload: Upload) -> ServerCapture | None:
        # without a sandbox nothing may come here that has addresses, and no ticket is kept
        if not upload.ticket or not self.configuration.analysis.enabled:
            return None
        server_id, _, session_id = upload.ticket.rpartition(" ")
        return ServerCapture(
            run_id=upload.run_id,
            server_id=server_id,
            session_id=session_id,
            token=upload.token,
            collect_until_ns=upload.collect_until_ns,
        )

    def sweep(self, bundle_sha256: str) -> None:
        """Remove a bundle, or a server's capture, that no live run has."""
        with self.spool.storing(bundle_sha256):
            if not self.meta.bundle_wanted(bundle_sha256):
                self.blobs.remove(bundle_sha256)


def _same(run: Run, bundle_sha256: str) -> None:
    if run.state is RunState.DELETED:
        raise ProblemError("run_deleted")
    if run.bundle_sha256 != bundle_sha256:
        raise ProblemError("run_exists_with_other_digest")
