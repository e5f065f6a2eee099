"""The program in the sandbox that takes addresses out of a measurement server's capture.

On standard input 32 random bytes, then the capture; on standard output the capture with
pseudonyms.  The key is used once and kept nowhere, so nobody can undo it.
"""

import sys
from typing import Final

from mptcp_upload import leak_scan
from mptcp_upload.anonymise import captures, identities
from mptcp_upload.anonymise.captures import Done, Found
from mptcp_upload.anonymise.prefix_map import KEY_BYTES
from mptcp_upload.anonymise.pseudonyms import choose
from mptcp_upload.anonymise.replacements import Replacements

NAME: Final = "captures/server.pcapng"


def anonymised(capture: bytes, key: bytes) -> bytes:
    """Return a capture with pseudonyms.

    Raises:
        BundleError: It is no capture.
        LeakError: Something was left that must not be.
    """
    found = Found()
    captures.look(capture, found)
    who = identities.identities(found.addresses, found.macs, found.names)
    maps = choose(key, who)
    octets = captures.rewrite(capture, maps, Replacements(maps), Done())
    leak_scan.require_clean({NAME: octets}, who)
    return octets


if __name__ == "__main__":
    given = sys.stdin.buffer.read()
    sys.stdout.buffer.write(anonymised(given[KEY_BYTES:], given[:KEY_BYTES]))
