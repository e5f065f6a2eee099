"""The page about images names commands, options and files that there are."""

import re
from pathlib import Path

import click
import pytest

from mptcp_appliance import manifest, store
from mptcp_check.cli.image import image

PAGE = (Path(__file__).parents[3] / "docs" / "images.md").read_text()
CALLS = re.findall(r"`?(?:mptcp-check )?image ([a-z]+)([^`\n#]*)", PAGE)


@pytest.mark.parametrize("call", sorted({f"{name}{rest.rstrip()}" for name, rest in CALLS}))
def test_every_command_and_option_of_the_page_exists(call: str) -> None:
    name, _, rest = call.partition(" ")
    context = click.Context(image)
    command = image.get_command(context, name)
    if command is None:
        # "image that ...": not a command but a sentence
        assert "--" not in rest
        return
    options = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", rest)) <= options


def test_every_command_of_images_is_on_the_page() -> None:
    named = {name for name, _ in CALLS}

    assert {"fetch", "list", "build", "keygen", "sign", "verify"} <= named


def test_every_file_and_format_of_the_page_exists() -> None:
    for name, (role, kind) in manifest.KINDS.items():
        assert [word for word in (name, role, kind) if f"`{word}`" not in PAGE] == []
    assert f"`{manifest.SCHEMA}`" in PAGE
    assert f"`{store.ORIGIN}`" in PAGE
