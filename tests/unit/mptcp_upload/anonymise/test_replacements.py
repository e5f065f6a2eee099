import pytest

from mptcp_upload.anonymise.identities import identities
from mptcp_upload.anonymise.replacements import domains


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"GET / HTTP/1.1\r\nHost: box.carol.example\r\n", ["box.carol.example"]),
        (b"Host: box.carol.example", ["box.carol.example"]),
        (b"> host: BOX.carol.example:80\n", ["box.carol.example"]),
        (
            b"INVITE sip:x SIP/2.0\r\nv: SIP/2.0/TCP a.carol.example;x\r\nf: <sip:c@b.example>\r\n",
            ["a.carol.example", "b.example"],
        ),
        (b"t: as.Random bytes may begin", []),
        (b"v:q.Zw", []),
    ],
)
def test_hosts_are_named_by_header_fields_and_not_by_chance(text: bytes, named: list[str]) -> None:
    found = [one for one in domains(text) if not one[0].isdigit()]
    assert [one for one in found if one != "sip"] == named


def test_what_this_program_calls_its_servers_is_nobodys_name() -> None:
    who = identities(
        [],
        [],
        [
            "server.mptcp-check.invalid",
            "mptcp-check.invalid",
            "x0004.Server.Mptcp-Check.invalid",
            "carol.invalid",
            "not-mptcp-check.invalid",
        ],
    )
    assert who.names == {"carol.invalid", "not-mptcp-check.invalid"}
