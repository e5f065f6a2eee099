"""What review needs: consent, publication, marks, the server's captures, reanalyses, exports."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

_APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit"
        " BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        (
            "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'the audit log is only ever added to'; END $$"
        ),
        (
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit"
            " FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()"
        ),
    ],
}


def upgrade() -> None:
    """Add columns and tables; runs that are here are described when they are judged again."""
    for table, column in (
        ("uploads", sa.Column("token", sa.Text, nullable=False, server_default="")),
        (
            "uploads",
            sa.Column("collect_until_ns", sa.BigInteger, nullable=False, server_default="0"),
        ),
        ("runs", sa.Column("purposes", sa.Text, nullable=False, server_default="")),
        ("runs", sa.Column("captures", sa.Text, nullable=False, server_default="")),
        ("runs", sa.Column("publish_ns", sa.BigInteger, nullable=True)),
        ("runs", sa.Column("traces_gone_ns", sa.BigInteger, nullable=True)),
    ):
        op.add_column(table, column)
    op.create_table(
        "marks",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("value", sa.String(200), primary_key=True),
    )
    op.create_table(
        "server_captures",
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
    )
    op.create_table(
        "reanalyses",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("rules_version", sa.Text, nullable=False),
        sa.Column("judged_count", sa.Integer, nullable=False),
    )
    op.create_table(
        "changes",
        sa.Column("reanalysis", _NUMBER, sa.ForeignKey("reanalyses.id"), primary_key=True),
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("rules_before", sa.Text, nullable=False),
        sa.Column("rules_version", sa.Text, nullable=False),
        sa.Column("outcome_before", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("appeared", sa.Text, nullable=False),
        sa.Column("gone", sa.Text, nullable=False),
    )
    op.create_table(
        "exports",
        sa.Column("folder", sa.String(1000), primary_key=True),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("made_ns", sa.BigInteger, nullable=False),
        sa.Column("audit_id", sa.BigInteger, nullable=False),
    )
    for name, table, columns in (
        ("marks_value", "marks", ["kind", "value"]),
        ("runs_publish", "runs", ["publish_ns", "received_ns"]),
        ("server_captures_due", "server_captures", ["state", "next_try_ns"]),
    ):
        op.create_index(name, table, columns)
    for statement in _APPEND_ONLY.get(op.get_bind().dialect.name, ()):
        op.execute(statement)
