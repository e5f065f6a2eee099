"""What runs, doctor and boxes make of images that were fetched, or are not there."""

from pathlib import Path
from typing import Any

import pytest

from image_calls import Call, fetched
from mptcp_appliance.errors import ImageError
from mptcp_check import doctor, machinery, networks, settings, wanted
from mptcp_check.doctor import Status
from mptcp_check.errors import PreflightError
from mptcp_check.machines import network, process, wishes
from mptcp_check.machines.missing_programs import WantedApps
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind


class Quiet:
    """A watch that nobody looks at."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a watch is told
        return lambda *_: None


def test_run_and_doctor_find_and_verify_what_was_fetched(
    call: Call, catalogue: Path, tmp_path: Path
) -> None:
    folder = fetched(call, catalogue)
    places = settings.places()

    assert machinery.appliance_image(places, Quiet()).directory == folder
    [check] = doctor.image.appliance(doctor.Question(places=places))
    assert (check.status, catalogue.as_uri() in check.detail) == (Status.PASS, True)

    data = (folder / "kernel").read_bytes()
    (folder / "kernel").write_bytes(bytes(len(data)))
    around = wanted.Around(
        run_id="",
        archive=b"",
        apps=WantedApps(names=(), named=False),
        scratch=tmp_path,
        places=places,
        boot_timeout_s=1,
        watch=Quiet(),
    )
    with pytest.raises(ImageError, match="kernel was changed"):
        machinery.ready(around)
    [check] = doctor.image.appliance(doctor.Question(places=places))
    assert (check.status, "image fetch" in check.advice) == (Status.FAIL, True)


def test_no_box_is_made_of_an_image_that_was_changed(
    call: Call, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (fetched(call, catalogue) / "kernel").read_bytes()
    for found in settings.places().images.rglob("kernel"):
        found.write_bytes(bytes(len(data)))
    bridge = HostInterface(name="br0", kind=InterfaceKind.BRIDGE, up=True, index=2, mac="")
    monkeypatch.setattr(network, "list_interfaces", lambda: (bridge,))
    monkeypatch.setattr(process, "find", lambda name: name)
    around = wanted.Around(
        run_id="",
        archive=b"",
        apps=WantedApps(names=(), named=False),
        scratch=tmp_path,
        places=settings.places(),
        boot_timeout_s=1,
        watch=Quiet(),
    )
    asked = wanted.Wanted(
        machine=wishes.machine_wish("vagrant:libvirt"),
        interfaces=(wishes.interface_wish("br0"),),
        server=wishes.server_wish("ssh:box"),
    )

    with pytest.raises(ImageError, match="kernel was changed"), networks.having(asked, around):
        pytest.fail("it came up")
    assert not settings.places().vagrant.exists()


def test_a_mac_without_an_image_is_told_to_fetch_one(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert call("list").code == 0

    with pytest.raises(PreflightError) as caught:
        machinery.appliance_image(settings.places(), Quiet())
    assert "image fetch URL --key KEY" in caught.value.hint
