"""The servers that many sessions share at once: a table, and a module for each kind of sharing."""

from collections.abc import Mapping

from mptcp_guest.serving.shared import brokers, code, files, mail, names, own, web
from mptcp_guest.serving.sharing import Shared

SHARED: Mapping[str, Shared] = {
    **web.SHARED,
    **files.SHARED,
    **mail.SHARED,
    **names.SHARED,
    **code.SHARED,
    **brokers.SHARED,
    **own.SHARED,
}
"""By service; what is missing belongs to one run only."""
