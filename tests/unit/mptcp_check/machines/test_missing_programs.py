import pytest

from mptcp_check.errors import PreflightError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.plan import plan
from mptcp_check.machines.box import PACKAGES
from mptcp_check.machines.missing_programs import client_needs, lacking, runnable, server_needs
from mptcp_guest.messages import HelloResult
from mptcp_guest.tools import TOOLS

ALL = tuple(APPLICATIONS)


def hello(*missing: str) -> HelloResult:
    return HelloResult(
        agent_version="1",
        kernel="6.18",
        machine="x86_64",
        python="3.11",
        tools={tool: "" if tool in missing else "1.0" for tool in TOOLS},
        work_directory="/run/x",
        wall_ns=0,
        user_id=0,
        mptcp=True,
    )


def test_every_tool_of_every_application_is_looked_for() -> None:
    for needs in (client_needs(ALL), server_needs(ALL)):
        assert set(needs) == set(ALL)
        assert {tool for tools in needs.values() for tool in tools} <= set(TOOLS)
        assert {tool for tools in needs.values() for tool in tools} <= set(PACKAGES)


def test_a_box_that_has_everything_lacks_nothing() -> None:
    assert lacking(hello(), server_needs(ALL), name="box", named=True) == {}
    assert lacking(hello(), client_needs(ALL), name="box", named=False) == {}


def test_who_named_an_application_is_told_what_to_install() -> None:
    needs = server_needs(("http", "irc", "mqtt"))
    with pytest.raises(PreflightError) as refused:
        lacking(hello("ngircd", "mosquitto"), needs, name="box", named=True)
    assert refused.value.message == "box lacks ngircd, mosquitto, which irc, mqtt need"
    assert refused.value.hint == "on Debian: apt install mosquitto ngircd"
    assert refused.value.exit_code == 3


def test_who_meant_all_is_told_what_was_left_out() -> None:
    needs = client_needs(("http", "redis", "echo"))
    sentence = "redis was left out: box lacks redis-cli (on Debian: apt install redis-tools)"
    found = lacking(hello("redis-cli"), needs, name="box", named=False)
    assert found == {"redis": sentence}


def test_applications_of_one_program_are_left_out_in_one_sentence() -> None:
    found = lacking(hello("mosquitto"), server_needs(ALL), name="box", named=False)
    assert set(found) == {"mqtt", "mqtts"}
    (sentence,) = set(found.values())
    assert sentence.startswith("mqtt, mqtts were left out: box lacks mosquitto (")


def test_what_is_left_out_is_not_planned_and_the_rest_is() -> None:
    planned = plan(["http", "ftp", "irc"])
    assert {e.app for e in runnable(planned, {"irc": "irc was left out"})} == {"http", "ftp"}
    assert runnable(planned, {}) == planned


def test_nothing_that_can_run_is_an_error_with_the_reasons() -> None:
    with pytest.raises(PreflightError) as refused:
        runnable(plan(["irc"]), {"irc": "irc was left out: why"})
    assert refused.value.message == "no application can run"
    assert refused.value.hint == "irc was left out: why"
