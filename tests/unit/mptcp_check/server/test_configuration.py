"""One file, every error at once."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurement_server import configuration
from mptcp_check.errors import UsageError
from mptcp_check.server import configuration_file, firewall, units
from mptcp_check.server.configuration import Listen
from mptcp_check.server.configuration_example import example, table
from mptcp_check.server.configuration_keys import KEYS, NEEDED
from mptcp_check.server.services import services_run

DOCS = Path(__file__).parents[4] / "docs"


def errors(text: str) -> tuple[str, ...]:
    return configuration_file.parse(text)[1]


def test_the_example_is_fine_and_names_every_setting() -> None:
    found, wrong = configuration_file.parse(example())
    assert wrong == ()
    assert found is not None
    assert found.api.listen == (Listen(host="0.0.0.0", port=34380), Listen(host="::", port=34380))  # noqa: S104 - what the example says
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line else line for line in example().splitlines()
    )
    assert configuration_file.parse(uncommented)[1] == ()
    assert all(f"{key.name} = " in example() for key in KEYS)


def test_everything_that_is_wrong_is_named_at_once_with_its_key() -> None:
    wrong = errors(
        """
        unknown = 1
        [server]
        id = "a b"
        state = "relative"
        nmae = 3
        [api]
        listen = ["0.0.0.0", "::1:80", "[::1]:99999", 7]
        connections_max = true
        [capture]
        ports = [0, "9-3"]
        run = "perhaps"
        interfaces = ["eth0", ""]
        [log]
        full_addresses_s = -1
        [netblocks]
        ipv4_bits = 33
        """
    )
    named = {error.partition(":")[0] for error in wrong}
    assert named == {
        "unknown",
        "server.id",
        "server.state",
        "server.nmae",
        "api.listen",
        "api.connections_max",
        "api.certificate",
        "api.private_key",
        "tickets.signing_key",
        "capture.ports",
        "capture.run",
        "capture.interfaces",
        "log.full_addresses_s",
        "netblocks.ipv4_bits",
    }
    assert "capture.ports: 0 is no port and no range of ports, not [0, '9-3']" in wrong


def test_settings_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    good = example()
    wrong = errors(
        good.replace("# listen = [", 'listen = ["127.0.0.1:50100"] # [', 1)
        .replace("# captures_s = 86400", "captures_s = 60")
        .replace("# connections_per_netblock = 64", "connections_per_netblock = 5000")
    )
    assert [error.partition(":")[0] for error in wrong] == [
        "api.listen",
        "api.connections_per_netblock",
        "retention.captures_s",
    ]
    assert configuration(tmp_path).tickets.session_s == 600


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    found, wrong = configuration_file.parse(text)
    assert (found is None) == bool(wrong)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4),
        max_leaves=6,
    )
)
def test_no_value_raises_anything_but_what_is_wanted_of_it(value: object) -> None:
    for key in KEYS:
        with contextlib.suppress(ValueError):
            key.read(value)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    with pytest.raises(UsageError, match="no such file"):
        configuration_file.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8 at byte 0"):
        configuration_file.load(path)
    path.write_bytes(b"#" * 70_000)
    with pytest.raises(UsageError, match="no configuration"):
        configuration_file.load(path)
    path.write_text("[server]\nid = 3")
    with pytest.raises(UsageError, match=r"(?s)cannot be used:\n  server.id: .*signing_key: miss"):
        configuration_file.load(path)


def test_defaults_fit_their_own_bounds() -> None:
    for key in KEYS:
        if key.default is not NEEDED:
            key.read(key.default)


def test_the_handbook_has_the_table_of_settings() -> None:
    assert table() in (DOCS / "server.md").read_text()


def test_the_firewall_names_the_ports_and_the_prefixes(tmp_path: Path) -> None:
    rules = firewall.ruleset(
        configuration(tmp_path, "[services]\nrun = 'off'\n[capture]\nports = [80, '50000-50009']")
    )
    assert rules.count("{ 80, 50000-50009 }") == 2
    assert "ip saddr & 255.255.255.0 ct count over 128" in rules
    assert "ip6 daddr & ffff:ffff:ffff:ff00:: quota over 8589934592 bytes" in rules
    alone = configuration(tmp_path, "[netblocks]\nipv4_bits = 32\nipv6_bits = 128")
    assert "{ ip saddr ct count over" in firewall.ruleset(alone)


HARDENED = (
    "NoNewPrivileges=true",
    "ProtectSystem=strict",
    "ProtectHome=true",
    "PrivateTmp=true",
    "PrivateDevices=true",
    "ProtectKernelTunables=true",
    "ProtectKernelModules=true",
    "ProtectControlGroups=true",
    "RestrictNamespaces=true",
    "RestrictSUIDSGID=true",
    "LockPersonality=true",
    "SystemCallFilter=@system-service",
    "MemoryMax=",
    "User=mptcp-check-s",
    "Group=mptcp-check-server",
)
CAPABILITIES = {
    "mptcp-check-server.service": "",
    "mptcp-check-capture.service": "CAP_NET_RAW",
    "mptcp-check-services.service": " ".join(f"CAP_{c.upper()}" for c in services_run.CAPABILITIES),
}
EXPOSURE = 25
"""Tenths of what systemd-analyze calls the exposure level: what it says is OK."""


@pytest.mark.parametrize("name", [name for name in units.NAMES if name.endswith(".service")])
def test_services_are_hardened_and_have_the_capabilities_that_they_need(name: str) -> None:
    text = units.text(name)
    assert [option for option in HARDENED if option not in text] == []
    capabilities = [line for line in text.splitlines() if "Capabilit" in line]
    assert {line.partition("=")[2] for line in capabilities} == {CAPABILITIES[name]}
    families = next(line for line in text.splitlines() if "RestrictAddressFamilies" in line)
    assert ("AF_INET" in families) == ("capture" not in name)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Write the units as they are installed, but for where this program is."""
    program = str(Path(sys.executable).with_name("mptcp-check"))
    for name in units.NAMES:
        text = units.text(name)
        assert name.endswith(".socket") or "/usr/bin/mptcp-check " in text
        (tmp_path / name).write_text(text.replace("/usr/bin/mptcp-check", program))
    return tmp_path


def test_systemd_understands_every_line_of_the_units(written: Path) -> None:
    files = [str(written / name) for name in units.NAMES]
    environment = {"SYSTEMD_UNIT_PATH": f"{written}:", "PATH": "/usr/bin:/bin"}
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, "")
    (written / units.NAMES[1]).write_text("[Service]\nExecStart=/bin/true\nPrivateTpm=true\n")
    wrong = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", files[1]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "PrivateTpm" in wrong.stderr


@pytest.mark.parametrize("name", list(CAPABILITIES))
def test_systemd_finds_the_services_exposed_to_little(written: Path, name: str) -> None:
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    said = subprocess.run(
        [*words, f"--threshold={EXPOSURE}", str(written / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout
    assert "Overall exposure level" in said.stdout
