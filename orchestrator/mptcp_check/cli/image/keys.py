"""`mptcp-check image keygen`: a key pair for a catalogue, as minisign has them."""

import os
import sys
from pathlib import Path
from typing import TextIO

import click

from mptcp_appliance import signing, signing_key
from mptcp_appliance.errors import ImageError
from mptcp_appliance.signing import PublicKey
from mptcp_check.errors import UsageError

TERMINAL = Path("/dev/tty")
"""Where a password is asked for, whatever standard input is."""


@click.command()
@click.argument("secret_key", type=click.Path(path_type=Path))
@click.option("--no-password", is_flag=True, help="Whoever gets the file can sign.")
@click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    help="Its first line is the password; - is standard input.  [default: ask]",
)
def keygen(*, secret_key: Path, no_password: bool, password_file: TextIO | None) -> None:
    """Make a key pair: SECRET_KEY for signing, SECRET_KEY.pub for everybody else.

    `minisign` takes both, and keys that it made are as good.

    \b
    Examples:
      mptcp-check image keygen lab.key
    """  # noqa: D301 - \b is click's
    public_path = secret_key.with_name(f"{secret_key.name}.pub")
    if os.path.lexists(public_path):
        raise UsageError(f"{public_path} exists already", hint="name another file")
    key = signing_key.generate(os.urandom)
    password = "" if no_password else _new_password(password_file)
    content = signing_key.write(key, password=password, salt=os.urandom(32))
    signing_key.create(secret_key, content)
    try:
        public_path.write_text(
            f"untrusted comment: minisign public key {key.public.name}\n{key.public.text}\n",
            encoding="utf-8",
        )
    except OSError as e:
        secret_key.unlink()
        raise ImageError(f"{public_path} cannot be written: {e.strerror}") from None
    click.echo(f"{secret_key} signs: keep it to yourself, and a copy of it", err=True)
    click.echo(
        f"{public_path} verifies: hand on its second line, not by the catalogue's server:", err=True
    )
    click.echo(key.public.text)


def password(file: TextIO | None, path: Path) -> str:
    """Return the password of a key: the first line of a file, or what a person types."""
    if file is not None:
        return file.readline().rstrip("\r\n")
    _require_terminal(f"the password of {path}")
    found: str = click.prompt(f"Password of {path}", hide_input=True, err=True)
    return found


def _require_terminal(what: str) -> None:
    """Raise `UsageError` where nobody can be asked for a password, as in a monthly job."""
    try:
        TERMINAL.open("rb").close()
    except OSError:
        if not sys.stdin.isatty():
            raise UsageError(
                f"there is no terminal to ask for {what}",
                hint="--password-file FILE; its first line is the password, - is standard input",
            ) from None


def public_key(given: str) -> PublicKey:
    """Return a public key that was given as its line, or as the name of a file that has it.

    Raises:
        UsageError: It is neither.
    """
    try:
        return signing.parse_public_key(given)
    except ValueError as e:
        no_key = UsageError(
            f"--key {given[:100]!r} is no public key: {e}",
            hint="give the line RW..., or the name of the file that has it",
        )
    try:
        with Path(given).open("rb") as stream:
            return signing.parse_public_key(stream.read(signing.LIMIT_BYTES).decode())
    except PermissionError:
        raise UsageError(f"{given} cannot be read: you may not") from None
    except OSError:
        raise no_key from None
    except ValueError as e:
        raise UsageError(f"{given} holds no public key: {e}") from None


def _new_password(file: TextIO | None) -> str:
    if file is not None:
        found = file.readline().rstrip("\r\n")
    else:
        _require_terminal("a new password")
        found = click.prompt(
            "New password",
            hide_input=True,
            confirmation_prompt=True,
            err=True,
            default="",
            show_default=False,
        )
    if not found:
        raise UsageError(
            "an empty password protects nothing", hint="give one, or say --no-password"
        )
    return str(found)
