"""How much must be sent for a further subflow to have a chance to join."""

from typing import Final

JOINABLE_BYTES: Final = 96 * 1024
"""What is smaller may be over before a further subflow could join; that is nobody's fault.

Linux opens a connection with 10 segments and doubles in each round trip: 14, 42, 98 kB.  The join
needs the first two round trips and the server's answer.
"""
