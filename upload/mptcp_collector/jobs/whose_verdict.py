"""Whose packets a verdict rests on, and what cannot be compared between them."""

from typing import Final

CLIENT: Final = "client "
"""In front of the rules' version of a verdict that the client brought: it saw the originals."""
SERVER: Final = "server "
"""In front of the rules' version where the measurement server's own capture was judged."""

KEYED: Final = frozenset({"address_translated", "payload_altered", "retransmission_altered"})
"""Behaviours that rest on what anonymisation replaces."""
KEYED_BECAUSE: Final = "client's and server's capture were anonymised with different keys"
