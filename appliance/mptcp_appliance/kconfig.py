"""Is everything that the guest needs in this kernel? What it has, and what it lacks."""

import re
from collections.abc import Mapping

from mptcp_appliance.errors import ImageError

_LINE = re.compile(r"^(CONFIG_\w+)=(.*)$", re.MULTILINE)


def options(text: str) -> dict[str, str]:
    """Return the options that a kernel configuration sets, by name; unset ones are not in it."""
    return dict(_LINE.findall(text))


def check(required: str, kernel: str, *, modules: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Compare what is needed with what a kernel has.

    ``=y`` is met by a built-in option, and by a module if the image's declaration says
    which one: otherwise nobody would put it into the image.

    Args:
        required: A configuration fragment.
        kernel: The whole configuration of the kernel.
        modules: The modules that the image carries, by option.

    Returns:
        The options that are modules in this kernel, in the fragment's order.

    Raises:
        ImageError: An option is missing or has another value; the first one is named.
    """
    has = options(kernel)
    as_modules: list[str] = []
    for option, wanted in options(required).items():
        found = has.get(option)
        if found == "m" and wanted == "y":
            if option not in modules:
                raise ImageError(
                    f"the kernel has {option} as a module, and the image does not carry it",
                    hint=f"Name the module at {option} in image.toml, under [modules.root].",
                )
            as_modules.append(option)
        elif found != wanted:
            raise ImageError(
                f"the kernel lacks {option}={wanted}; it has {found or 'not set'}",
                hint="Take another kernel package in image.toml; kernel-config/README.md says "
                "what the option is for.",
            )
    return tuple(as_modules)
