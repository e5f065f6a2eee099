"""What would be sent of a run, in a file and in words: nothing leaves."""

from pathlib import Path

import click

from mptcp_check.cli import uploading
from mptcp_check.errors import UsageError
from mptcp_check.run_directory import StoredRun
from mptcp_upload import bundle, durable
from mptcp_upload.consent import Consent, size_text


def write(run: StoredRun, agreed: Consent, path: Path) -> None:
    """Write the bundle of a run as it would leave, and say what is in it.

    Args:
        run: Whose.
        agreed: What of it may leave.
        path: A new file.

    Raises:
        UsageError: Something of that name is there.
        UploadError: It cannot be made safe, or is damaged or too large.
        OSError: It cannot be written.
    """
    if path.exists():
        raise UsageError(f"{path} is there already", hint="name another file for the preview")
    prepared = uploading.prepare(run, agreed)
    durable.replace(path, prepared.octets)
    found = bundle.read(prepared.octets)
    told = found.manifest["anonymisation"]
    click.echo(f"{run.run_id}: {size_text(len(prepared.octets))} would be sent:")
    sizes = {name: len(found.content(name)) for name in found.names}
    width = max(map(len, sizes), default=0)
    for name, size_bytes in sizes.items():
        click.echo(f"  {name:{width}}  {size_text(size_bytes):>8}")
    click.echo(
        f"Replaced in them: IP addresses {told['address_count']}, MAC addresses"
        f" {told['mac_count']}, names {told['name_count']}.\n"
        f"It is in {path} (SHA-256 {prepared.sha256}); nothing was sent."
    )
