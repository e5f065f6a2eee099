"""Kernel options: the fragments that ask for them, their sum, and what a configuration took of it.

A fragment has one option in a line, with the reason behind it::

    CONFIG_MPTCP=y              # Multipath TCP version 1, RFC 8684
    CONFIG_MODULES=n            # everything is built in

Everything that no fragment asks for is left out of a kernel of ours, as far as Kconfig can: the
sum is laid over ``allnoconfig``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mptcp_appliance.errors import ImageError

_LINE = re.compile(r"^(CONFIG_\w+)=(.*)$", re.MULTILINE)
_ASKED = re.compile(r'(CONFIG_\w+)=("(?:[^"\\]|\\.)*"|[^\s"#]+)(?:\s+#\s*(.*))?')

_NAMED_AT_ONCE = 5
"""How many options one error names; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One option that a fragment asks for."""

    option: str
    """With its prefix ``CONFIG_``."""
    value: str
    """As Kconfig writes it, a text in quotes; ``n`` for an option that has to be off."""
    reason: str
    """Why, for people."""
    fragment: str
    """The name of the fragment."""


def parse(fragment: str, text: str) -> tuple[Request, ...]:
    """Read one fragment.

    Args:
        fragment: Its name.
        text: Its content.

    Raises:
        ImageError: A line is neither an option with its reason, nor a comment, nor empty.
    """
    requests = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _ASKED.fullmatch(line.rstrip())
        if found is None or not found[3]:
            what = "is not an option" if found is None else f"asks for {found[1]} without a reason"
            raise ImageError(
                f"line {number} of the kernel fragment {fragment} {what}",
                hint="write CONFIG_NAME=value  # why the guest needs it",
            )
        requests.append(
            Request(option=found[1], value=found[2], reason=found[3], fragment=fragment)
        )
    return tuple(requests)


def merge(fragments: Iterable[tuple[str, str]]) -> tuple[Request, ...]:
    """Return all that the fragments ask for, in their order.

    Args:
        fragments: Name and content of each.

    Raises:
        ImageError: A fragment is malformed, or an option is asked for twice: its reason would
            stand in two places, and sooner or later two values.
    """
    merged: dict[str, Request] = {}
    for name, text in fragments:
        for request in parse(name, text):
            earlier = merged.setdefault(request.option, request)
            if earlier is not request:
                raise ImageError(
                    f"{request.option} is asked for twice: in the kernel fragments "
                    f"{earlier.fragment} and {request.fragment}",
                    hint="keep the line whose reason is the better one",
                )
    return tuple(merged.values())


def seed(requests: Iterable[Request]) -> str:
    """Return what ``make allnoconfig`` reads as ``KCONFIG_ALLCONFIG``: nothing but the requests."""
    return "".join(
        f"# {request.option} is not set\n"
        if request.value == "n"
        else f"{request.option}={request.value}\n"
        for request in requests
    )


def options(text: str) -> dict[str, str]:
    """Return the options that a kernel configuration sets, by name; unset ones are not in it."""
    return dict(_LINE.findall(text))


def require_taken(requests: Sequence[Request], config: str) -> None:
    """Compare what was asked for with the configuration that Kconfig made of it.

    Kconfig drops without a word what depends on something that is off, and turns on what
    something else selects.

    Raises:
        ImageError: Options differ; each is named with its fragment.
    """
    has = options(config)
    lost = [r for r in requests if has.get(r.option, "n") != r.value]
    if lost:
        named = ", ".join(
            f"{r.option}={r.value} of {r.fragment} (became {has.get(r.option, 'not set')})"
            for r in lost[:_NAMED_AT_ONCE]
        )
        more = len(lost) - _NAMED_AT_ONCE
        raise ImageError(
            f"the kernel's configuration did not take {named}"
            + (f" and {more} more" if more > 0 else ""),
            hint="ask for what it depends on as well: `make menuconfig` in the kernel's source "
            "shows that at the option",
        )


def check(
    required: Iterable[Request], kernel: str, *, modules: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Compare what is needed with what a kernel that others built has.

    ``=y`` is met by a built-in option, and by a module if the image's declaration says
    which one: otherwise nobody would put it into the image.

    Args:
        required: What the guest needs of any kernel.
        kernel: The whole configuration of the kernel.
        modules: The modules that the image carries, by option.

    Returns:
        The options that are modules in this kernel, in the order of `required`.

    Raises:
        ImageError: An option is missing or has another value; the first one is named.
    """
    has = options(kernel)
    as_modules: list[str] = []
    for request in required:
        found = has.get(request.option)
        if found == "m" and request.value == "y":
            if request.option not in modules:
                raise ImageError(
                    f"the kernel has {request.option} as a module, and the image does not carry it",
                    hint=f"name the module at {request.option} in image.toml, under "
                    "[kernel.binary.modules.root]",
                )
            as_modules.append(request.option)
        elif found != request.value:
            raise ImageError(
                f"the kernel lacks {request.option}={request.value} ({request.reason}); "
                f"it has {found or 'not set'}",
                hint="take another kernel in image.toml",
            )
    return tuple(as_modules)
