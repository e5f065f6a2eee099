"""`mptcp-check image list`: what is here, or what a catalogue offers."""

import json
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from mptcp_appliance import cache, fetch_place, images, rollback, store, strict_json
from mptcp_appliance.catalogue import Entry
from mptcp_appliance.errors import ImageError
from mptcp_appliance.manifest import Part
from mptcp_check import clock, settings
from mptcp_check.cli import live
from mptcp_check.cli.image import fetching, keys
from mptcp_check.settings import Places

SCHEMA = "mptcp-check.images/1"
Row = dict[str, object]


@click.command("list")
@click.argument("catalogue", required=False)
@click.option(
    "--key",
    metavar="KEY",
    help="The catalogue's public key or a file with it; needed the first time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON document.")
def list_images(*, catalogue: str | None, key: str | None, as_json: bool) -> None:
    """List the images on this computer, or those that CATALOGUE offers.

    Here only sizes are looked at; `mptcp-check image verify` compares digests and signatures.

    \b
    Examples:
      mptcp-check image list
      mptcp-check image list https://lab.example/images
    """  # noqa: D301 - \b is click's
    places = settings.places()
    if catalogue is None:
        rows = here(places)
        document: Row = {"schema": SCHEMA, "images": rows, "catalogues": known(places)}
    else:
        place = fetching.at(fetching.url(catalogue), places)
        believed = fetch_place.trusted(
            place,
            key=keys.public_key(key) if key else None,
            replace_key=False,
            now_s=clock.wall_ns() // 10**9,
        ).catalogue
        rows = [_offered(entry, place.url) for entry in believed.images]
        document = {
            "schema": SCHEMA,
            "catalogue": place.url,
            "title": believed.title,
            "version": believed.version,
            "expires": strict_json.time_text(believed.expires_s),
            "images": rows,
        }
    if as_json:
        click.echo(json.dumps(document, indent=2))
    elif rows:
        if catalogue is not None:
            click.echo(_about(document), err=True)
        show(live.console(stderr=False), rows)
        replaced_count = sum(bool(row.get("replaced")) for row in rows)
        if replaced_count:
            click.echo(
                f"{replaced_count} replaced: `mptcp-check image prune` removes what is not booted.",
                err=True,
            )
    else:
        click.echo("There are no images; `mptcp-check image build` or `image fetch`.", err=True)


def _about(document: Row) -> str:
    """Say whose catalogue it is, in a line."""
    title = f"{document['title']}: " if document["title"] else ""
    return f"{title}version {document['version']}, good until {document['expires']}"


def here(places: Places) -> list[Row]:
    """Return a row for each image on this computer; a damaged one says so.

    What was built here and is none of this version's images is `replaced`.
    """
    needed = cache.needed(map(images.load, images.names()), cache_dir=places.images)
    built = [
        {**_row(folder), "replaced": folder.name not in needed}
        for folder in store.built_folders(places.images)
    ]
    return [*built, *({**_row(f), "replaced": False} for f in store.fetched_folders(places.images))]


def known(places: Places) -> list[Row]:
    """Return a row for each catalogue that is trusted."""
    return [
        {"url": pin.url, "key": pin.key.text, "version": pin.version}
        for pin in rollback.pins(places.catalogues).values()
    ]


def _row(folder: Path) -> Row:
    try:
        found = store.read(folder)
    except ImageError as e:
        return {"folder": str(folder), "problem": e.message}
    return {
        "name": found.name,
        "architecture": found.architecture,
        "kernel_release": found.kernel_release,
        "formats": _formats(found.parts.values()),
        "bytes": sum(part.size_bytes for part in found.parts.values()),
        "digest": found.digest,
        "from": found.origin.catalogue if found.origin else "",
        "folder": str(folder),
        "problem": "",
    }


def _offered(entry: Entry, url: str) -> Row:
    return {
        "name": entry.name,
        "architecture": entry.architecture,
        "kernel_release": entry.kernel_release,
        "formats": _formats(entry.parts.values()),
        "bytes": sum(part.size_bytes for part in entry.parts.values()),
        "digest": entry.digest,
        "from": url,
        "folder": entry.folder,
        "interface": entry.interface,
        "added": entry.added,
    }


def _formats(parts: Iterable[Part]) -> list[str]:
    roles = {"kernel", "initrd", "rootfs", "disk", "box"}
    return sorted({part.format for part in parts if part.role in roles})


def show(console: Console, rows: Iterable[Row]) -> None:
    """Print for each image what it is, whence it came, and where it is."""
    for row in rows:
        if row.get("replaced"):  # of another version of the program, whose manifest may be another
            _line(console, Text("replaced by a newer one"))
        elif row.get("problem"):
            _line(console, Text(f"not usable: {row['problem']}", "red"))
        else:
            _usable(console, row)
        _line(console, Text(f"  {row['folder']}", "dim"))


def _usable(console: Console, row: Row) -> None:
    formats, size_bytes = row["formats"], row["bytes"]
    size = f"{size_bytes // 10**6} MB, " if isinstance(size_bytes, int) else ""
    kinds = ", ".join(formats) if isinstance(formats, list) else ""
    whence = f"from {row['from']}" if row["from"] else "built here"
    name = (f"{row['name']} {row['architecture']}", "bold")
    _line(console, Text.assemble(name, f": {size}kernel {row['kernel_release']}"))
    _line(console, Text(f"  digest {str(row['digest'])[:12]}; {kinds}; {whence}"))


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)  # a path is copied, so nothing cuts it
