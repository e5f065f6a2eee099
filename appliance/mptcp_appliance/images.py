"""Find the declared images, in a checkout or in an installed wheel, and read one."""

from pathlib import Path

from mptcp_appliance.declaration import Declaration, declaration
from mptcp_appliance.errors import ImageError

_PACKAGE = Path(__file__).resolve().parent


def load(name: str) -> Declaration:
    """Read the declaration of the image called `name`.

    Raises:
        ImageError: There is no such image, or its declaration is wrong.
    """
    images = _data("images", _PACKAGE.parent / "images")
    known = sorted(path.parent.name for path in images.glob("*/image.toml"))
    if name not in known:
        raise ImageError(f"no image is called {name!r}", hint=f"Known: {', '.join(known)}.")
    folder = images / name
    required = _data("kernel-config", _PACKAGE.parent.parent / "kernel-config")
    return declaration(
        (folder / "image.toml").read_text(encoding="utf-8"),
        required_options=(required / "required.config").read_text(encoding="utf-8"),
        root_files=_files(folder / "rootfs"),
        initramfs_init=(folder / "initramfs" / "init").read_bytes(),
        hooks=_files(folder / "hooks"),
        where=str(folder / "image.toml"),
    )


def _data(name: str, in_checkout: Path) -> Path:
    """Return where a data folder lies: a wheel carries it inside the package."""
    in_wheel = _PACKAGE / name
    return in_wheel if in_wheel.is_dir() else in_checkout


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
