"""Keep what Numba compiled for its own use on disk so that a stale one is never run.

Numba's own cache trusts a function's machine code as long as the file that defines the function
is unchanged.  Our kernels call functions and take numbers of other files, so after an update some
would run with code of yesterday; and an index that names a class which is gone raises.  Here the
stamp covers all the sources that kernels are made of, and whatever is wrong with a cache leads to
compiling anew.  Kernels that `kernel_calls` can call do not come here.
"""

from typing import Any

from numba.core import caching

from mptcp_check.analysis.capture.kernel_sources import STAMP

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
