"""A database, opened so that what is committed is on the disk, with the tables of today."""

import contextlib
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
_LATER: Final = "mptcp_check_later"
"""Execution option of transactions that may come to the disk later."""


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
    else:
        sa.event.listen(engine, "begin", _unhurried)
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
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA busy_timeout = 20000")


def _immediate(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    # the driver's own: SQLAlchemy takes as long for a word as for a question
    driver: Any = connection.connection.driver_connection
    if options.get(_READING, False):
        driver.execute("BEGIN")
        return
    # in WAL mode NORMAL leaves a commit to the next one that is FULL; the file is always whole
    level = "NORMAL" if options.get(_LATER, False) else "FULL"
    if connection.info.get(_LATER) != level:
        driver.execute(f"PRAGMA synchronous = {level}")
        connection.info[_LATER] = level
    driver.execute("BEGIN IMMEDIATE")


def later_on_disk(engine: sa.Engine) -> sa.Engine:
    """Return the same database, with transactions that come to the disk with the next other one.

    Until then a power cut may undo them; the end of a process does not.
    """
    return engine.execution_options(**{_LATER: True})


def _unhurried(connection: sa.Connection) -> None:
    if connection.get_execution_options().get(_LATER, False):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def reading(engine: sa.Engine) -> sa.Engine:
    """Return the same database, with transactions that write nothing and for which nobody waits.

    Each sees the state of one moment, however long it takes.
    """
    options: dict[str, Any] = {_READING: True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    return engine.execution_options(**options)


def locked(connection: sa.Connection, *names: str) -> None:
    """Let others with the same names wait to the end of the transaction.

    SQLite has one writer at a time already.
    """
    if connection.dialect.name == "postgresql":
        for name in names:
            key = sa.func.hashtextextended(name, 0)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
