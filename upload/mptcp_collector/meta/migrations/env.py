"""Alembic's entry: runs the migrations over the connection that it is given."""

from alembic import context

from mptcp_collector.meta import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    transactional_ddl=True,
)
context.run_migrations()
