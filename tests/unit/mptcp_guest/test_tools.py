"""Which tools there are, by Debian's own list."""

from mptcp_guest.tools import parse_status

STATUS = """\
Package: curl
Status: install ok installed
Version: 7.88.1-10

Package: nginx-light
Status: install ok installed
Version: 1.22.1-9
Description: small web server
 with: colons in it

Package: tcpdump
Status: deinstall ok config-files
Version: 4.99.3-1

Package: bash
Status: install ok installed
Version: 5.2
"""


def test_installed_packages_that_hold_tools_are_told_with_their_versions() -> None:
    assert parse_status(STATUS) == {"curl": "curl 7.88.1-10", "nginx": "nginx-light 1.22.1-9"}


def test_a_file_that_is_none_holds_nothing() -> None:
    assert parse_status("") == {}
    assert parse_status("\n\n:\n\nPackage\n") == {}
