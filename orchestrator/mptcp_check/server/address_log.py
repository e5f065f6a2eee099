"""Who did what: netblocks for ever, whole addresses for a set time and in files of their own.

The log that stays names networks (/24, /56), never users.  Where abuse has to be followed up, an
operator can have whole addresses for some hours, in files that vanish by their age.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mptcp_check import clock
from mptcp_check.netblock import netblock, plain_address

PARTS: Final = 4
"""Files that a time is parted into: a line is gone by its time, and kept for 3/4 of it at least."""
LEAST_S: Final = 60
_NS: Final = 10**9

log = logging.getLogger("mptcp_check.server.access")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressLog:
    """Writes both logs."""

    folder: Path
    full_addresses_s: int
    """How long whole addresses are kept; 0: they are never written."""
    ipv4_bits: int
    ipv6_bits: int

    def note(self, address: str, what: str, *, now_ns: int) -> None:
        """Log something that was done from an address."""
        block = netblock(address, ipv4_bits=self.ipv4_bits, ipv6_bits=self.ipv6_bits)
        log.info("%s %s", block, what)
        if not self.full_addresses_s:
            return
        line = f"{clock.utc_text(now_ns)} {plain_address(address)} {what}\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            now_s, part_s = now_ns // _NS, max(LEAST_S, self.full_addresses_s // PARTS)
            name = f"{now_s - now_s % part_s}.log"
            descriptor = os.open(self.folder / name, flags, 0o600)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)
        except OSError as e:  # a full disk: whoever asks is answered all the same
            log.warning("the log of whole addresses cannot be written: %s", e.strerror)

    def tidy(self, *, now_ns: int) -> None:
        """Remove whole addresses that are older than their time; all of them if there is none."""
        if not self.folder.is_dir():
            return
        for path in self.folder.glob("*.log"):
            began_s = int(path.stem) if path.stem.isdecimal() else 0
            if (began_s + self.full_addresses_s) * _NS <= now_ns or not self.full_addresses_s:
                path.unlink(missing_ok=True)
