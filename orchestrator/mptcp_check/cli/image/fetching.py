"""`mptcp-check image fetch`: an image from a catalogue, so that none must be built."""

import platform

import click

from mptcp_appliance import fetch as fetching
from mptcp_appliance import fetch_place, plan, rollback, store
from mptcp_appliance.errors import ImageError
from mptcp_appliance.fetch_choice import Wanted
from mptcp_appliance.fetch_place import Place
from mptcp_appliance.fetch_source import address
from mptcp_check import __version__, clock, settings
from mptcp_check.cli import exit_codes, live
from mptcp_check.cli.image import keys
from mptcp_check.errors import MptcpCheckError, UsageError
from mptcp_check.settings import IMAGE, Places

AGENT = f"mptcp-check/{__version__}"


class InterruptedFetchError(MptcpCheckError):
    """The user stopped it; unlike elsewhere, something is left on purpose."""

    exit_code = exit_codes.INTERRUPTED


@click.command()
@click.argument("catalogue", required=False)
@click.option(
    "--key",
    metavar="KEY",
    help="The catalogue's public key or a file with it; needed the first time.",
)
@click.option("--replace-key", is_flag=True, help="Trust --key from now on instead of another one.")
@click.option(
    "--architecture",
    metavar="NAME",
    help="amd64 or arm64, for another computer.  [default: this computer's]",
)
@click.option("--name", metavar="NAME", default=IMAGE, show_default=True, help="Which image.")
@click.option(
    "--format",
    "formats",
    metavar="FORMAT",
    multiple=True,
    help="Also as qcow2, raw, box-libvirt, ...: what the catalogue offers; repeat for more.",
)
def fetch(
    *,
    catalogue: str | None,
    key: str | None,
    replace_key: bool,
    architecture: str | None,
    name: str,
    formats: tuple[str, ...],
) -> None:
    """Fetch the newest image of CATALOGUE; say where it is.

    CATALOGUE is a URL or a folder; without one it is the only one that is known here. Its key
    is given once, and remembered; take it from the people who publish the images, not from
    their server. What is cut goes on where it stopped when the command is repeated.

    \b
    Examples:
      mptcp-check image fetch https://lab.example/images --key RWQ...
      mptcp-check image fetch                       the newest, once the catalogue is known
      mptcp-check image fetch /media/stick/images --key lab.key.pub --format qcow2
    """  # noqa: D301 - \b is click's
    if replace_key and not key:
        raise UsageError("--replace-key needs the key", hint="--key KEY --replace-key")
    trusted_key = keys.public_key(key) if key else None
    places = settings.places()
    place = at(_address(catalogue, places), places)
    now_s = clock.wall_ns() // 10**9
    try:
        with live.watching(live.console()) as watch:
            watch.step(f"Reading the catalogue {place.url}")
            believed = fetch_place.trusted(
                place,
                key=trusted_key,
                replace_key=replace_key,
                now_s=now_s,
            )
            watch.step(f"Fetching the image {name}")
            image = fetching.fetch(
                place,
                believed,
                Wanted(
                    name=name,
                    architecture=architecture or plan.architecture(platform.machine()),
                    formats=formats,
                ),
                now_s=now_s,
                progress=watch.detail,
            )
            watch.step("Verifying the image")
            store.check(image, pins=places.catalogues)
    except KeyboardInterrupt:
        raise InterruptedFetchError(
            "interrupted; what came so far is kept out of sight",
            hint="run the same command again: it goes on from there",
        ) from None
    click.echo(str(image.directory))


def at(url: str, places: Places) -> Place:
    """Return a catalogue's place."""
    return Place(
        url=url,
        source=fetch_place.source(url, agent=AGENT),
        pins=places.catalogues,
        cache_dir=places.images,
    )


def url(given: str) -> str:
    """Return the address of a catalogue that the user named.

    Raises:
        UsageError: It cannot be one.
    """
    try:
        return address(given)
    except ImageError as e:
        raise UsageError(e.message, hint=e.hint) from None


def _address(given: str | None, places: Places) -> str:
    if given is not None:
        return url(given)
    known = sorted(rollback.pins(places.catalogues))
    if len(known) != 1:
        raise UsageError(
            f"{len(known)} catalogues are known here: which one?"
            if known
            else "no catalogue of images is known on this computer",
            hint=f"name one: {', '.join(known)}"
            if known
            else "ask those who publish images for its address and key, then: "
            "`mptcp-check image fetch URL --key KEY`",
        )
    return known[0]
