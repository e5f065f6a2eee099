"""`lab run --machines`: what namespaces play, between virtual machines."""

from pathlib import Path

import pytest

from system.cli import call

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.mark.parametrize(
    ("behaviour", "options", "outcome", "named"),
    [
        ("mp_join_removed", (), "mptcp_degraded", {"mp_join_removed"}),
        ("hole_blocked", ("--paths", "1", "--family", "ipv6"), "mptcp", {"hole_blocked"}),
    ],
)
def test_a_box_is_named_between_machines(
    tmp_path: Path, behaviour: str, options: tuple[str, ...], outcome: str, named: set[str]
) -> None:
    out = tmp_path / "run"

    said = call("lab", "run", behaviour, "--machines", "--json", "--out", str(out), *options)

    assert said.code == 0, said.err
    document = said.document
    assert document["machine"] == "qemu"
    assert [e["transport"] for e in document["exchanges"]] == ["tcp", "mptcp"] * 2
    assert {e["outcome"] for e in document["exchanges"][1::2]} == {outcome}
    seen = {f["behaviour"] for f in document["report"]["findings"] if f["state"] == "seen"}
    assert seen == named
    assert document["behind"][-1] == behaviour
    assert call("runs", "show", str(out)).code == 0
