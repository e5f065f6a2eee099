from pathlib import Path

from mptcp_guest.serving import rsync


def test_each_module_goes_one_way_and_both_want_the_password() -> None:
    text = rsync.configuration(Path("/w"), Path("/w/files"), user="mptcp")
    everywhere, down, up = text.split("\n[")
    assert "auth users = mptcp" in everywhere
    assert "use chroot = yes" in everywhere
    assert "list = no" in everywhere
    assert "path = /w/files/down\nread only = yes" in down
    assert "path = /w/files/up\nwrite only = yes" in up


def test_it_stays_in_the_foreground_on_one_address() -> None:
    words = rsync.command(Path("/w"), address="fd77::2", port=873)
    assert words[:3] == ["rsync", "--daemon", "--no-detach"]
    assert {"--address=fd77::2", "--port=873"} <= set(words)
