"""The real Vagrant: what it says of the Vagrantfile and of the boxes, and a machine in libvirt."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mptcp_appliance import cache, disk, images
from mptcp_appliance.image import Image
from mptcp_check import settings
from mptcp_check.errors import PreflightError
from mptcp_check.machines import vagrant, vagrant_home
from mptcp_check.machines.management import make_keys
from mptcp_check.machines.vagrant import VagrantSpec
from mptcp_check.machines.vagrant_program import VagrantProgram

pytestmark = pytest.mark.system

NETWORKS = json.dumps(
    [
        {"interface": "br0", "attach": "bridge", "mac": "525400770001"},
        {"interface": "eth1", "attach": "direct", "mac": "525400770002"},
    ]
)
SITE = Path(__file__).with_name("vagrant_site.py")
SITE_DEADLINE_S = 2400


@pytest.fixture(scope="module")
def image() -> Image:
    return cache.ensure(
        images.load("appliance"), cache_dir=settings.places().images, progress=lambda _: None
    )


@pytest.mark.parametrize(
    ("environment", "options"),
    # with networks libvirt is asked for them: `test_a_machine_in_libvirt...` has one
    [
        ({}, []),
        ({}, ["--ignore-provider"]),
        ({"MPTCP_CHECK_NETWORKS": NETWORKS}, ["--ignore-provider"]),
    ],
)
def test_vagrant_finds_the_vagrantfile_valid(
    environment: Mapping[str, str], options: list[str], tmp_path: Path
) -> None:
    (tmp_path / "Vagrantfile").write_bytes(vagrant.vagrantfile())
    done = subprocess.run(
        ["vagrant", "validate", *options],
        cwd=tmp_path,
        env={
            **os.environ,
            **environment,
            "VAGRANT_HOME": str(tmp_path / "home"),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "validated successfully" in done.stdout


def test_vagrant_takes_the_box_for_virtualbox_in(image: Image, tmp_path: Path) -> None:
    box, home = tmp_path / "a.box", tmp_path / "home"
    disk.make(image, "box-virtualbox", box, lambda _: None)
    home.mkdir()
    program = VagrantProgram(folder=tmp_path, home=home, environment={})
    program.add_box("mptcp-check/appliance", box, "virtualbox", within_s=900)
    assert [(b.name, b.provider) for b in program.box_list()] == [
        ("mptcp-check/appliance", "virtualbox")
    ]
    inside = next((home / "boxes").rglob("box.ovf")).parent
    checked = subprocess.run(
        ["qemu-img", "info", "--output=json", str(inside / "box-disk001.vmdk")],
        check=True,
        capture_output=True,
    )
    facts = json.loads(checked.stdout)["format-specific"]["data"]
    assert facts["create-type"] == "streamOptimized"


PLUGIN = """\
class Plugin < Vagrant.plugin("2")
  name "one of the user's"
end
"""
GEM = """\
Gem::Specification.new do |s|
  s.name = "{name}"
  s.version = "0.0.1"
  s.summary = "for a test"
  s.authors = ["a test"]
  s.files = ["lib/{name}.rb"]
end
"""


def with_plugins(home: Path, *names: str) -> Path:
    """Make a home of Vagrant's as `vagrant plugin install` leaves it, without asking a server."""
    ruby = subprocess.run(["ruby", "-e", "print RUBY_VERSION"], check=True, capture_output=True)
    gems = home / "gems" / ruby.stdout.decode()
    for name in names:
        library = gems / "gems" / f"{name}-0.0.1" / "lib"
        library.mkdir(parents=True)
        (library / f"{name}.rb").write_text(PLUGIN)
        (gems / "specifications").mkdir(exist_ok=True)
        (gems / "specifications" / f"{name}-0.0.1.gemspec").write_text(GEM.format(name=name))
    entry = {
        "ruby_version": ruby.stdout.decode(),
        "vagrant_version": "2.3.4",
        "gem_version": "",
        "require": "",
        "sources": [],
    }
    installed = {"version": "1", "installed": dict.fromkeys(names, entry)}
    (home / "plugins.json").write_text(json.dumps(installed))
    return home


def test_our_vagrant_has_the_providers_plugins_of_the_user_and_no_other(tmp_path: Path) -> None:
    theirs = with_plugins(tmp_path / "theirs", "vagrant-qemu", "vagrant-vbguest")
    home = vagrant_home.boxes_home(tmp_path / "ours")

    vagrant_home.lend_plugins(home, theirs)

    program = VagrantProgram(folder=tmp_path, home=home, environment={})
    plugins = {plugin.name for plugin in program.plugin_list()}
    assert "vagrant-qemu" in plugins
    assert "vagrant-vbguest" not in plugins


def test_a_hypervisor_that_is_not_there_is_told_in_vagrants_words(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    wanted = VagrantSpec(
        name="mptcp-check-none",
        provider="qemu",
        box=tmp_path / "a.box",
        box_digest="ab" * 32,
        networks=(),
        home=tmp_path / "home",
    )
    # the box is never looked at: it counts as taken in
    known = vagrant_home.boxes_home(wanted.home) / "boxes"
    known = known / wanted.box_name.replace("/", "-VAGRANTSLASH-") / "0" / "libvirt"
    known.mkdir(parents=True)
    (known / "metadata.json").write_text('{"provider": "libvirt"}')
    vagrant_home.seal(wanted.home, wanted.box_name, "libvirt")
    with (
        pytest.raises(PreflightError, match="provider 'qemu' could not be found") as error,
        vagrant.vagrant_guest(
            wanted,
            make_keys(tmp_path / "keys"),
            archive=b"",
            logs=logs,
            now_ns=lambda: 0,
            deadline_ns=120 * 10**9,
        ),
    ):
        pytest.fail("no machine can have come up")
    assert error.value.exit_code == 3
    assert "ProviderNotFound" in (logs / "mptcp-check-none.vagrant.log").read_text()
    assert list((wanted.home / "machines").iterdir()) == []


Came = tuple[dict[str, Any], Path]
"""What came of a scene in a computer of its own, and the folder with its files."""


@contextlib.contextmanager
def played(scene: str, image: Image) -> Iterator[Came]:
    # not below pytest's folders, which are closed to libvirt's and nginx' own users
    with tempfile.TemporaryDirectory(prefix="mptcp-check-site-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        box = work / "a.box"
        disk.make(image, "box-libvirt", box, lambda _: None)
        done = subprocess.run(
            [
                *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"),
                *("--mount-proc", sys.executable, str(SITE)),
                *(str(box), image.digest, str(work), scene),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=SITE_DEADLINE_S,
        )
        logs = "".join(p.read_text(errors="replace")[-3000:] for p in work.glob("logs/*"))
        assert done.returncode == 0, logs
        yield json.loads(done.stdout.splitlines()[-1]), work


@pytest.fixture(scope="module")
def site(image: Image) -> Iterator[Came]:
    with played("measured", image) as came:
        yield came


@pytest.mark.slow
def test_a_whole_run_by_vagrants_machine_measures_two_bridged_networks(site: Came) -> None:
    document, said = site[0]["document"], site[0]["said"]
    joints = [(j["parent"], j["attached"]) for j in document["joints"]["client"]]

    assert (document["machine"], document["network"]) == ("vagrant:libvirt", "bridged")
    assert joints == [("br0", "bridge"), ("br1", "bridge")]
    assert [e["outcome"] for e in document["exchanges"]] == ["tcp", "mptcp"] * 4
    assert all(e["proven"] and e["sha256_ok"] for e in document["exchanges"])
    assert all(e["subflows"] == 2 for e in document["exchanges"] if e["transport"] == "mptcp")
    assert "Starting the probe (Vagrant with libvirt)" in said
    assert "the real network between" in " ".join(said.split())


@pytest.mark.slow
def test_vagrants_machine_measures_against_a_public_server(image: Image) -> None:
    with played("public", image) as (found, work):
        document = found["document"]
        assert (document["machine"], document["network"]) == ("vagrant:libvirt", "bridged")
        assert {e["outcome"] for e in document["exchanges"]} == {"tcp", "mptcp"}
        assert all(e["proven"] and e["sha256_ok"] for e in document["exchanges"])
        assert all(e["subflows"] == 2 for e in document["exchanges"] if e["transport"] == "mptcp")
        assert [f for f in document["report"]["findings"] if f["state"] == "seen"] == []
        assert document["integrity"]["troubles"] == []
        passed = "the machine's own TCP leaves this computer (the server answered with MP_CAPABLE)"
        assert {f"by eth{n} {passed}" for n in range(2)} <= set(document["notes"])
        assert (work / "run" / "server-session.json").exists()
        assert (found["services"], found["left"]["domains"]) == ([], [])


@pytest.mark.slow
def test_its_captures_are_whole_and_accuse_the_path_of_nothing(site: Came) -> None:
    document = site[0]["document"]

    assert document["integrity"]["troubles"] == []
    assert [f for f in document["report"]["findings"] if f["state"] == "seen"] == []


@pytest.mark.slow
def test_a_whole_run_says_that_no_user_mode_network_ended_its_tcp(site: Came) -> None:
    passed = "the machine's own TCP leaves this computer (the server answered with MP_CAPABLE)"

    assert {f"by eth{n} {passed}" for n in range(2)} <= set(site[0]["document"]["notes"])


@pytest.mark.slow
def test_its_cards_have_no_offloads(site: Came) -> None:
    assert "mptcp-check" in site[0]["hello"]
    assert site[0]["offloads_on"] == [[], []]


@pytest.mark.slow
def test_it_listens_on_the_management_card_only_and_knows_one_key(
    site: Came,
) -> None:
    found, work = site
    addresses = [line.split()[3] for line in found["listening"].splitlines()]
    assert len(addresses) == 1
    assert addresses[0].startswith("192.168.143.")
    assert "default" not in found["routes"]
    public = (work / "keys" / "authorized_keys").read_text().split()[1]
    assert [line.split()[1] for line in found["keys"].splitlines()] == [public]


@pytest.mark.slow
def test_nothing_of_the_host_is_shared_with_it(site: Came) -> None:
    domain = ET.fromstring(site[0]["hardware"])  # noqa: S314 - libvirt's own
    devices = domain.find("devices")
    assert devices is not None
    kinds = {child.tag for child in devices}
    assert not kinds & {"filesystem", "graphics", "hostdev", "redirdev", "channel", "shmem"}
    assert [card.get("type") for card in devices.findall("interface")] == [
        "network",
        "bridge",
        "bridge",
    ]
    network, *bridges = [card.find("source") for card in devices.findall("interface")]
    assert network is not None
    assert network.get("network") == "mptcp-check"
    assert [b.get("bridge") for b in bridges if b is not None] == ["br0", "br1"]


@pytest.mark.slow
def test_a_second_machine_of_its_name_is_refused_with_one_line(
    site: Came,
) -> None:
    assert site[0]["second"] == "4 a machine called mptcp-check-test is there already"


@pytest.mark.slow
def test_a_name_that_the_hypervisor_knows_already_is_refused_in_vagrants_words(
    site: Came,
) -> None:
    found, _ = site
    assert found["taken"].startswith("4 'vagrant up' failed (exit code 1): ")
    assert "mptcp-check-test" in found["taken"]
    assert found["machines"] == ["mptcp-check-test"]


@pytest.mark.slow
def test_ctrl_c_takes_the_machine_down(image: Image) -> None:
    with played("interrupted", image) as (found, _):
        assert found["machines"] == ["mptcp-check-test"]
        assert found["left"]["domains"] == []
        assert found["left"]["machines"] == []


@pytest.mark.slow
def test_on_interfaces_without_a_bridge_it_is_found_by_neighbours_and_measures(
    image: Image,
) -> None:
    with played("direct", image) as (found, _):
        document, domain = found["document"], ET.fromstring(found["hardware"])  # noqa: S314
        joints = [(j["parent"], j["attached"]) for j in document["joints"]["client"]]
        card = domain.findall("devices/interface")[1]

        assert found["found"] == "refused by itself\n"
        assert (card.get("type"), card.get("trustGuestRxFilters")) == ("direct", "yes")
        assert joints == [("lan0", "macvtap"), ("lan1", "macvtap")]
        assert [e["outcome"] for e in document["exchanges"]] == ["tcp", "mptcp"] * 4
        assert found["left"]["domains"] == []


@pytest.mark.slow
def test_nothing_of_it_is_left(site: Came) -> None:
    found, work = site
    assert found["left"]["domains"] == []
    assert found["left"]["networks"] == []
    assert found["left"]["machines"] == []
    # the box stays for the next run, the machine's own disk does not
    assert "mptcp-check-test" not in found["left"]["volumes"]
    # Vagrant held no key that opens anything, and its words are kept
    assert "Machine booted" in (work / "logs" / "mptcp-check-test.vagrant.log").read_text()
