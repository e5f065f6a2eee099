"""The tables; how a database comes to have them is in `migrations`."""

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

uploads: Final = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("bundle_sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("schema", sa.Integer, nullable=False),
    sa.Column("deletion_sha256", sa.String(64), nullable=False),
    sa.Column("netblock", sa.String(64), nullable=False),
    sa.Column("ticket", sa.Text, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.Boolean, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("collect_until_ns", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("run_id", "bundle_sha256", "deletion_sha256", name="uploads_once"),
    sa.Index("uploads_netblock", "netblock"),
)

runs: Final = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("bundle_sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("schema", sa.Integer, nullable=False),
    sa.Column("deletion_sha256", sa.String(64), nullable=False),
    sa.Column("ticket", sa.Text, nullable=False),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("receipt", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("purposes", sa.Text, nullable=False),
    sa.Column("captures", sa.Text, nullable=False),
    sa.Column("publish_ns", sa.BigInteger, nullable=True),
    sa.Column("traces_gone_ns", sa.BigInteger, nullable=True),
    sa.Index("runs_received", "received_ns"),
    sa.Index("runs_publish", "publish_ns", "received_ns"),
    sa.Index("runs_state", "state", "received_ns"),
    sa.Index("runs_bundle", "bundle_sha256"),
)

verdicts: Final = sa.Table(
    "verdicts",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("rules_version", sa.String(64), primary_key=True),
    sa.Column("judged_ns", sa.BigInteger, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("newest", sa.Boolean, nullable=False),
    sa.Column("report", sa.Text, nullable=False),
    sa.Index("verdicts_outcome", "outcome"),
)

findings: Final = sa.Table(
    "findings",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), nullable=False),
    sa.Column("rules_version", sa.String(64), nullable=False),
    sa.Column("behaviour", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("application", sa.Text, nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Index("findings_run", "run_id", "rules_version"),
    sa.Index("findings_behaviour", "behaviour", "state"),
)

marks: Final = sa.Table(
    "marks",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("value", sa.String(200), primary_key=True),
    sa.Index("marks_value", "kind", "value"),
)

server_captures: Final = sa.Table(
    "server_captures",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("server_id", sa.Text, nullable=False),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("collect_until_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("tried_count", sa.Integer, nullable=False),
    sa.Column("next_try_ns", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Index("server_captures_due", "state", "next_try_ns"),
)

reanalyses: Final = sa.Table(
    "reanalyses",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("time_ns", sa.BigInteger, nullable=False),
    sa.Column("rules_version", sa.Text, nullable=False),
    sa.Column("judged_count", sa.Integer, nullable=False),
)

changes: Final = sa.Table(
    "changes",
    metadata,
    sa.Column(
        "reanalysis",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        sa.ForeignKey("reanalyses.id"),
        primary_key=True,
    ),
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("rules_before", sa.Text, nullable=False),
    sa.Column("rules_version", sa.Text, nullable=False),
    sa.Column("outcome_before", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("appeared", sa.Text, nullable=False),
    sa.Column("gone", sa.Text, nullable=False),
)

exports: Final = sa.Table(
    "exports",
    metadata,
    sa.Column("folder", sa.String(1000), primary_key=True),
    sa.Column("format", sa.String(16), nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("audit_id", sa.BigInteger, nullable=False),
)

audit: Final = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("time_ns", sa.BigInteger, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Index("audit_subject", "subject"),
)
