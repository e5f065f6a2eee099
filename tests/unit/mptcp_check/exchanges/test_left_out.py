"""What a network could not run is said in words."""

from mptcp_check.exchanges import left_out
from mptcp_check.exchanges.plan import Depth, Possible, limited, plan
from mptcp_check.model import Family, Joining, Upset

FULL = plan(depth=Depth.FULL)


def said(possible: Possible) -> str:
    return "\n".join(left_out.sentences(FULL, limited(FULL, possible)))


def test_nothing_is_said_where_nothing_is_missing() -> None:
    assert list(left_out.sentences(FULL, FULL)) == []


def test_a_client_with_one_address_hears_what_was_not_tried() -> None:
    told = said(Possible(paths={Family.IPV4: 1}, announced={}, upsets=frozenset()))

    assert "nothing ran over IPv6" in told
    assert "the client had one address: no second subflow was tried" in told
    assert "no backup subflow" in told
    assert "the server announced no further address" in told
    assert "no interface was taken down in mid-transfer: the client has one path" in told


def test_a_real_network_is_not_blamed_for_what_nobody_can_do_to_it() -> None:
    real = Possible(
        paths=dict.fromkeys(Family, 2),
        announced={(f, Joining.OTHER_FAMILY): 1 for f in Family},
        upsets=frozenset({Upset.INTERFACE_DOWN, Upset.ADDRESS_REMOVED}),
    )
    told = said(real)
    assert "no path was made to lose everything: on a real network nobody here can" in told
    assert "the client had 2 addresses: no connection had more subflows" in told
    assert "ran over" not in told


def test_where_there_is_ipv6_only_the_reason_is_no_other() -> None:
    told = said(Possible(paths={Family.IPV6: 2}, announced={}, upsets=frozenset()))
    assert "nothing ran over IPv4: client and server do not both have an address" in told
    assert "it exists over IPv4 only" in told
    assert "no port" not in told


def test_ports_that_something_else_has_are_named() -> None:
    without = [e for e in FULL if e.port != 8080]
    assert "port 8080 (http) was not tried: the server does not have it" in list(
        left_out.sentences(FULL, without)
    )
    [told] = left_out.sentences(FULL, [e for e in FULL if e.port not in {8080, 2222}])
    assert told == (
        "ports 2222 (scp, sftp, ssh), 8080 (http) were not tried: the server does not have them"
    )
