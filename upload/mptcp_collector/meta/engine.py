"""A database, opened so that what is committed is on the disk, with the tables of today."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from mptcp_check.errors import UsageError

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x6D707463
"""Key of the advisory lock that two starting collectors take in turn."""
_READING: Final = "mptcp_check_reading"
"""Execution option of transactions that write nothing."""


def opened(url: str) -> sa.Engine:
    """Open a database and bring its tables to today's.

    Args:
        url: ``sqlite:////absolute/path`` or ``postgresql+psycopg://…``.

    Raises:
        UsageError: It cannot be used, or a later version of this program has changed it.
    """
    try:
        # a server may have gone away since the last question; a file does not
        engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError):
        raise UsageError("the database's URL cannot be read", hint="sqlite:////PATH") from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _careful)
        sa.event.listen(engine, "begin", _immediate)
    try:
        _migrate(engine)
    except (CommandError, sa.exc.SQLAlchemyError) as e:
        engine.dispose()
        # the first line only: what follows repeats the statement
        reason = str(e).partition("\n")[0]
        raise UsageError(f"the database cannot be used: {reason}") from None
    return engine


def configuration() -> Config:
    """Return Alembic's configuration, without a connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _migrate(engine: sa.Engine) -> None:
    config = configuration()
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _careful(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own
    # SQLAlchemy shall not guess when a transaction begins: `_immediate` says it.
    connection.isolation_level = None
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA busy_timeout = 20000")


def _immediate(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextlib.contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give the state of one moment to read, however long that takes; nobody waits for it."""
    options: dict[str, Any] = {_READING: True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def locked(connection: sa.Connection, name: str) -> Iterator[None]:
    """Let others with the same name wait to the end of the transaction.

    SQLite has one writer at a time already.
    """
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(name, 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    yield
