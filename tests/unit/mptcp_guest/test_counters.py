import json
import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.counters import FILES, busy, parse
from mptcp_guest.sampling import squeezed

SS = """\
tcp   ESTAB     0 0 10.77.0.1:5000 10.77.0.2:80
tcp   TIME-WAIT 0 0 10.77.0.1:5001 10.77.0.2:80
tcp   LISTEN    0 5 10.77.0.2:21   0.0.0.0:*
mptcp FIN-WAIT-1 0 0 10.77.0.1:5002 10.77.0.2:80
"""


def test_only_sockets_that_could_still_send_are_busy() -> None:
    assert [line.split()[1] for line in busy(SS)] == ["ESTAB", "FIN-WAIT-1"]


TABLES = {
    "netstat": "TcpExt: SyncookiesSent TCPFastOpenActive\nTcpExt: 0 -4\n"
    "MPTcpExt: MPCapableSYNTX\nMPTcpExt: 2\n",
    "snmp": "Tcp: RtoMax MaxConn ActiveOpens CurrEstab\nTcp: 120000 -1 3 1\n"
    "IcmpMsg: InType3\nIcmpMsg: 4\n",
    "snmp6": "Ip6InReceives                   \t6\n",
}


def test_counters_have_the_names_that_nstat_gives_them() -> None:
    assert parse(TABLES) == {
        "TcpExtSyncookiesSent": 0,
        "TcpExtTCPFastOpenActive": -4,
        "MPTcpExtMPCapableSYNTX": 2,
        "TcpActiveOpens": 3,
        "IcmpMsgInType3": 4,
        "Ip6InReceives": 6,
    }


def test_the_kernels_own_tables_give_what_nstat_gives() -> None:
    """In a network of its own, where nothing happens between the two readings."""
    code = (
        "import json, subprocess\n"
        "from mptcp_guest import counters\n"
        "texts = {n: (counters.PROC_NET / n).read_text() for n in counters.FILES}\n"
        "said = subprocess.run(['nstat', '-asz', '--json'], capture_output=True, check=True)\n"
        "print(json.dumps([counters.parse(texts), json.loads(said.stdout)['kernel']]))\n"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    read, told = json.loads(done.stdout)

    assert "MPTcpExtMPCapableSYNTX" in read
    assert read == told


@given(st.fixed_dictionaries({name: st.text() for name in FILES}))
def test_no_text_breaks_the_reading(texts: dict[str, str]) -> None:
    assert all(isinstance(value, int) for value in parse(texts).values())


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
