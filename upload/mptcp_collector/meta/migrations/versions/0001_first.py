"""Uploads, runs, verdicts, findings, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables as they were first; a later change is a later file."""
    op.create_table(
        "uploads",
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
        sa.UniqueConstraint("run_id", "bundle_sha256", "deletion_sha256", name="uploads_once"),
    )
    op.create_table(
        "runs",
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
    )
    op.create_table(
        "verdicts",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("rules_version", sa.String(64), primary_key=True),
        sa.Column("judged_ns", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("newest", sa.Boolean, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
    )
    op.create_table(
        "findings",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("rules_version", sa.String(64), nullable=False),
        sa.Column("behaviour", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("application", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
    )
    for name, table, columns in (
        ("uploads_netblock", "uploads", ["netblock"]),
        ("runs_received", "runs", ["received_ns"]),
        ("runs_state", "runs", ["state", "received_ns"]),
        ("runs_bundle", "runs", ["bundle_sha256"]),
        ("verdicts_outcome", "verdicts", ["outcome"]),
        ("findings_run", "findings", ["run_id", "rules_version"]),
        ("findings_behaviour", "findings", ["behaviour", "state"]),
        ("audit_subject", "audit", ["subject"]),
    ):
        op.create_index(name, table, columns)
