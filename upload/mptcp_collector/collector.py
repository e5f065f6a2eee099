"""A collector put together: its parts from its configuration."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import urlsplit

from mptcp_check import clock
from mptcp_check.errors import UsageError
from mptcp_collector import review_token, signing_key
from mptcp_collector.blobs.blob_store import BlobStore
from mptcp_collector.blobs.directory import DirectoryBlobs
from mptcp_collector.configuration import Configuration
from mptcp_collector.exporting import Exporting
from mptcp_collector.jobs import sandbox, server_sources
from mptcp_collector.jobs.joining import Joining
from mptcp_collector.jobs.judging import Judging
from mptcp_collector.meta import engine
from mptcp_collector.meta.sql_store import SqlStore
from mptcp_collector.metrics import Metrics
from mptcp_collector.receiving import Receiving
from mptcp_collector.request_rate import RequestRate
from mptcp_collector.retention import Keeping
from mptcp_collector.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """What the interface and the pages ask."""

    receiving: Receiving
    rate: RequestRate
    reviewer_sha256: str = ""
    """SHA-256 of the reviewers' token; empty: there are no reviewers."""
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def configuration(self) -> Configuration:
        """What the operator decided."""
        return self.receiving.configuration

    @property
    def judging(self) -> Judging:
        """What judges runs, each in a sandbox of its own."""
        return Judging(
            meta=self.receiving.meta,
            blobs=self.receiving.blobs,
            wall_ns=self.receiving.wall_ns,
            answer=self._answer,
            embargo_days=self.configuration.retention.embargo_days,
        )

    @property
    def joining(self) -> Joining:
        """What gets the measurement servers' own captures."""
        return Joining(
            meta=self.receiving.meta,
            blobs=self.receiving.blobs,
            spool=self.receiving.spool,
            sources={
                name: server_sources.source(server)
                for name, server in self.configuration.measurement_servers.items()
            },
            wall_ns=self.receiving.wall_ns,
            random_bytes=self.receiving.random_bytes,
            answer=self._answer,
            limit_bytes=self.configuration.limits.bundle_bytes,
        )

    @property
    def keeping(self) -> Keeping:
        """What removes what was kept long enough."""
        return Keeping(receiving=self.receiving, retention=self.configuration.retention)

    @property
    def exporting(self) -> Exporting:
        """What writes published runs to folders."""
        return Exporting(
            meta=self.receiving.meta,
            wall_ns=self.receiving.wall_ns,
            public_url=self.configuration.public_url,
        )

    def _answer(self, module: str, arguments: Sequence[str], given: Sequence[BinaryIO]) -> bytes:
        return sandbox.answer(module, arguments, given, self.configuration.analysis)

    def close(self) -> None:
        """Give everything back."""
        self.receiving.meta.close()


def make(configuration: Configuration) -> Collector:
    """Open the storage and go on where the last process stopped.

    Raises:
        UsageError: A place, the database or a key cannot be used.
    """
    state = configuration.state
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o750)
        spool = Spool(state / "uploads")
        found = blobs(configuration)
    except OSError as e:
        raise UsageError(f"{state} cannot be used: {(e.strerror or str(e)).lower()}") from None
    receiving = Receiving(
        configuration=configuration,
        meta=SqlStore(engine.opened(configuration.database_url)),
        blobs=found,
        spool=spool,
        key=signing_key.load_or_make(state / "receipt-key.pem"),
        servers={
            name: signing_key.load_public(state / server.key)
            for name, server in configuration.measurement_servers.items()
        },
        wall_ns=clock.wall_ns,
        random_bytes=secrets.token_bytes,
    )
    receiving.recover()
    reviewers = review_token.load(state / review_token.FILE)
    rate = RequestRate(configuration.limits.requests_per_minute)
    return Collector(receiving=receiving, rate=rate, reviewer_sha256=reviewers)


def blobs(configuration: Configuration) -> BlobStore:
    """Return the place for bundles that a configuration names.

    Raises:
        UsageError: It is no place that is known here, or one that cannot be used.
    """
    if not configuration.blobs:
        return DirectoryBlobs(configuration.state / "blobs")
    url = urlsplit(configuration.blobs)
    if url.scheme != "s3" or not url.netloc:
        raise UsageError(
            f"{configuration.blobs} is no place for bundles", hint="s3://BUCKET/PREFIX"
        )
    # boto3 takes a third of a second to import
    from mptcp_collector.blobs.s3 import S3Blobs  # noqa: PLC0415 - only those who use it need it

    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    prefix = url.path.strip("/")
    try:
        found = S3Blobs(
            url.netloc,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=configuration.s3_endpoint,
        )
        found.require()
    except (OSError, ValueError) as e:
        raise UsageError(
            f"{configuration.blobs} cannot be used: {e}",
            hint="make the bucket, give the credentials as AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY, and look at s3_endpoint",
        ) from None
    return found
