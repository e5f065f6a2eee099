import pytest

from mptcp_guest.counters import busy, parse
from mptcp_guest.refusal import RefusalError
from mptcp_guest.sampling import squeezed

SS = """\
tcp   ESTAB     0 0 10.77.0.1:5000 10.77.0.2:80
tcp   TIME-WAIT 0 0 10.77.0.1:5001 10.77.0.2:80
tcp   LISTEN    0 5 10.77.0.2:21   0.0.0.0:*
mptcp FIN-WAIT-1 0 0 10.77.0.1:5002 10.77.0.2:80
"""


def test_only_sockets_that_could_still_send_are_busy() -> None:
    assert [line.split()[1] for line in busy(SS)] == ["ESTAB", "FIN-WAIT-1"]


def test_counters_are_whole_numbers_by_name() -> None:
    assert parse('{"kernel":{"TcpActiveOpens":3,"MPTcpExtMPCapableSYNTX":0}}') == {
        "TcpActiveOpens": 3,
        "MPTcpExtMPCapableSYNTX": 0,
    }


@pytest.mark.parametrize("text", ["", "[]", '{"kernel": []}', '{"kernel": {"x": null}}', "{}"])
def test_what_is_no_answer_of_nstat_is_refused(text: str) -> None:
    with pytest.raises(RefusalError, match="nstat wrote"):
        parse(text)


def test_samples_lose_the_padding_and_keep_the_words() -> None:
    assert squeezed("tcp  ESTAB   0\n\nmptcp ESTAB  \n") == "tcp ESTAB 0\nmptcp ESTAB"


def test_on_a_network_that_others_use_only_the_exchanges_ports_count() -> None:
    text = (
        "tcp ESTAB 0 0 10.0.0.5:22 10.0.0.9:40000\n"
        "tcp ESTAB 0 0 10.0.0.5:80 10.0.0.9:40001\n"
        "tcp FIN-WAIT-1 0 0 [2001:db8::5]:41000 [2001:db8::9]:80\n"
    )
    assert len(busy(text)) == 3
    assert len(busy(text, frozenset({80}))) == 2
    assert busy(text, frozenset({443})) == []
