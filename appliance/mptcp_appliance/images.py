"""Find the declared images, in a checkout or in an installed wheel, and read one."""

from pathlib import Path

from mptcp_appliance import toml_reader
from mptcp_appliance.declaration import Declaration, declaration, derived
from mptcp_appliance.errors import ImageError

_PACKAGE = Path(__file__).resolve().parent

_LIKE = "like"
"""Key of an image that is declared by what it has other than the image named there."""


def load(name: str) -> Declaration:
    """Read the declaration of the image called `name`.

    Raises:
        ImageError: There is no such image, or its declaration is wrong.
    """
    folder = _folder(name)
    where = str(folder / "image.toml")
    table = toml_reader.read((folder / "image.toml").read_text(encoding="utf-8"), where)
    if _LIKE in table:
        folder = _folder(str(table.pop(_LIKE)))
        text = (folder / "image.toml").read_text(encoding="utf-8")
        table = dict(derived(toml_reader.read(text, where), table, where=where))
    return declaration(
        table,
        fragments={
            path.stem: path.read_text(encoding="utf-8")
            for path in _data("kernel-config", _PACKAGE.parent.parent).glob("*.config")
        },
        root_files=_files(folder / "rootfs"),
        initramfs_init=(folder / "initramfs" / "init").read_bytes(),
        hooks=_files(folder / "hooks"),
        where=where,
    )


def names() -> list[str]:
    """Return what images are called."""
    return sorted(p.parent.name for p in _data("images", _PACKAGE.parent).glob("*/image.toml"))


def _folder(name: str) -> Path:
    """Return the folder of an image."""
    known = names()
    if name not in known:
        raise ImageError(f"no image is called {name!r}", hint=f"known: {', '.join(known)}")
    return _data("images", _PACKAGE.parent) / name


def _data(name: str, in_checkout: Path) -> Path:
    """Return where a data folder lies: a wheel carries it inside the package."""
    in_wheel = _PACKAGE / name
    return in_wheel if in_wheel.is_dir() else in_checkout / name


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
