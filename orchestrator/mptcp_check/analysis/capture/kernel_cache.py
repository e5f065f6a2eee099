"""Keep compiled kernels on disk so that a stale one is never run.

Numba's own cache trusts a function's machine code as long as the file that defines the function
is unchanged.  Our kernels call functions and take numbers of other files, so after an update some
would run with code of yesterday; and an index that names a class which is gone raises.  Here the
stamp covers all the sources that kernels are made of, and whatever is wrong with a cache leads to
compiling anew.  This is the one place of the analysis that touches files, as importing does.
"""

import hashlib
import pkgutil
from typing import Any, Final

from numba.core import caching

PACKAGE: Final = "mptcp_check.analysis"

SOURCES: Final = (
    "capture/column_types",
    "capture/kernel_cache",
    "capture/kernels",
    "capture/link_layers",
    "capture/option_kernel",
    "capture/option_tables",
    "capture/packets",
    "capture/pcap_framing",
    "capture/pcapng_blocks",
    "capture/pcapng_framing",
    "capture/records",
    "capture/segment_kernel",
    "capture/segment_tables",
    "capture/signal_kernel",
    "flows/flow_kernel",
    "metrics/checksum_kernel",
    "metrics/interval_kernel",
    "metrics/mapping_kernel",
    "metrics/measure_kernel",
    "metrics/round_trip_kernel",
    "metrics/state_tables",
)
"""The modules that hold kernels, and those that they take functions and numbers from."""


def _stamp() -> str:
    """Return a digest of all the sources: what machine code was made of."""
    digest = hashlib.blake2b(digest_size=16)
    for name in SOURCES:
        digest.update(pkgutil.get_data(PACKAGE, f"{name}.py") or name.encode())
    return digest.hexdigest()


STAMP: Final = _stamp()

_numba: Any = caching  # its functions have no types


class KernelCache(caching.FunctionCache):
    """The machine code of one kernel, as Numba keeps it, with a stamp over all sources.

    Args:
        function: The kernel, not compiled.

    Raises:
        RuntimeError: There is no directory to keep machine code in.
    """

    def __init__(self, function: Any) -> None:  # noqa: ANN401 - any function
        super().__init__(function)  # type: ignore[no-untyped-call] # Numba has no types here
        self._cache_file = _numba.IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=STAMP,
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:  # noqa: ANN401 - Numba's own
        """Return the machine code for a signature, none if it has to be made."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call] # as above
        except Exception:  # noqa: BLE001 - a pickle of another version raises anything
            self._forget()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:  # noqa: ANN401 - Numba's own
        """Keep machine code, or go on without: a full disk must not end an analysis."""
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call] # as above
        except Exception:  # noqa: BLE001 - as above
            self._forget()

    def _forget(self) -> None:
        try:
            self.flush()  # type: ignore[no-untyped-call] # as above
        except OSError:  # it cannot be written either: use no cache at all
            self.disable()  # type: ignore[no-untyped-call] # as above
