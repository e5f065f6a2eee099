"""Debian's packages into a tar archive: mmdebstrap, fed from this machine's sources of Debian."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mptcp_appliance import plan, process, sources
from mptcp_appliance.narrate import narrator
from mptcp_appliance.workshop import Workshop

_APT = Path("/etc/apt")


def install(
    request: plan.Packages,
    *,
    hook: bytes,
    environment: Mapping[str, str],
    tar: Path,
    shop: Workshop,
) -> None:
    """Write the archive of what a request asks for.

    Args:
        request: What mmdebstrap is asked for.
        hook: A program that it runs with the tree as argument, at the end; empty for none.
        environment: For the hook.
        tar: What is written.
        shop: Where the tree is laid out.

    Raises:
        ImageError: The tool failed.
    """
    entries = sources.debian_entries(_apt_files(), suite=request.suite)
    with _tree_folder(shop.work) as folder:
        program = folder / "hook"
        if hook:
            program.write_bytes(hook)
            program.chmod(0o755)
        process.run(
            plan.mmdebstrap_arguments(
                request,
                hook=program if hook else None,
                tar=tar,
                sources_on_stdin=bool(entries),
                own_mounts=process.succeeds(["unshare", "--mount", "true"]),
            ),
            on_line=narrator(shop.progress),
            on_silence=lambda: shop.progress(f"still at it ({megabytes(folder)} MB on disk)"),
            stdin_text=entries or None,
            environment={**environment, "TMPDIR": str(folder)},
            keep_open=shop.keep_open,
        )


@contextlib.contextmanager
def _tree_folder(work: Path) -> Iterator[Path]:
    """Yield the folder in which mmdebstrap lays out its tree of hundreds of megabytes.

    For root that is where the image goes: there is room, and the remains of a killed build
    are found again. Others run mmdebstrap in a user namespace, where they are a stranger to
    their own home: the tree then lies where everybody may enter.
    """
    if os.geteuid() == 0:
        yield work
        return
    folder = Path(tempfile.mkdtemp(prefix="mptcp-check-"))
    try:
        # a user of the namespace makes the tree in it; the sticky bit keeps others' hands off
        folder.chmod(0o1777)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            # interrupted: what is left belongs to users of the namespace, and only there to us
            left = [str(path) for path in folder.iterdir()]
            process.succeeds(["mmdebstrap", "--unshare-helper", "rm", "-rf", *left])
            shutil.rmtree(folder, ignore_errors=True)


def _apt_files() -> list[tuple[str, str]]:
    """Return name and text of each file that tells apt where packages come from."""
    folder = _APT / "sources.list.d"
    candidates = [_APT / "sources.list", *folder.glob("*.list"), *folder.glob("*.sources")]
    return [
        (str(path), path.read_text(encoding="utf-8", errors="replace"))
        for path in candidates
        if path.is_file()
    ]


def megabytes(path: Path) -> int:
    """Return the size of a file, or of all that lies in a folder that others are changing."""
    files = path.rglob("*") if path.is_dir() else [path]
    total_bytes = 0
    # what is being changed may be gone when it is looked at
    with contextlib.suppress(OSError):
        total_bytes = sum(file.lstat().st_size for file in files)
    return total_bytes // 10**6
