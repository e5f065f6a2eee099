"""A pretend site in network namespaces: a laptop on two networks, a router, a server, a desk.

    laptop lan0 ── lan0 router wan ── eth0 server
    laptop lan1 ── lan1 router desk ── eth0 desk

The router gives addresses by DHCP and can be told to take options away.  Laptop and server have
an sshd each, started here with keys of their own.  Names end with the process id: two test runs
on one computer do not meet.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from system.cli import Said, program

LAPTOP = "10.88.0.10"
LAPTOP_NETWORKS = (("10.88.0.10/24", "10.88.0.1"), ("10.88.1.10/24", "10.88.1.1"))
SERVER = "198.51.100.10"
DESK = "10.88.8.2"
SSH_PORT = 2222
ODD_PORT = 2223
"""The server's other sshd, whose programs are those that a test put into `Site.odd`."""
POOR_PORT = 2224
"""The sshd of a box without some programs: see `Site.poor`."""
LIMIT_S = 900
"""Of a call, on a busy computer."""
ROUTER_ADDRESSES = {
    "lan0": "10.88.0.1/24",
    "lan1": "10.88.1.1/24",
    "wan": "198.51.100.1/24",
    "desk": "10.88.8.1/24",
}
SERVER6 = "fd99::10"
BOX_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the agent looks for programs."""
SIX = (
    ("laptop", "lan0", "fd88:0::10/64"),
    ("laptop", "lan1", "fd88:1::10/64"),
    ("router", "lan0", "fd88:0::1/64"),
    ("router", "lan1", "fd88:1::1/64"),
    ("router", "wan", "fd99::1/64"),
    ("server", "eth0", f"{SERVER6}/64"),
)
SSHDS = (
    ("laptop", SSH_PORT, "sshd_config"),
    ("server", SSH_PORT, "sshd_config"),
    ("server", ODD_PORT, "odd_config"),
)
OFFLOADS = tuple(word for short in ("tx", "sg", "tso", "gso", "gro") for word in (short, "off"))

SSHD = """\
Port {port}
ListenAddress 0.0.0.0
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
{more}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The site while it stands."""

    directory: Path
    suffix: str

    def name(self, role: str) -> str:
        """Return the namespace of ``laptop``, ``router``, ``server`` or ``desk``."""
        return f"{role}-{self.suffix}"

    @property
    def home(self) -> Path:
        """Of the user: ssh keys, known hosts, runs."""
        return self.directory / "home"

    @property
    def odd(self) -> Path:
        """The programs of the odd box."""
        return self.directory / "odd"

    def says(self, program: str, text: str, *, code: int = 0) -> None:
        """Put a program that says one thing onto the odd box."""
        path = self.odd / program
        path.write_text(f"#!/bin/sh\necho '{text}'\nexit {code}\n")
        path.chmod(0o755)

    def run(self, role: str, *command: str) -> str:
        """Run a program somewhere and return what it wrote."""
        return run("ip", "netns", "exec", self.name(role), *command)

    def start(self, role: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start mptcp-check somewhere."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name(role), *program(*arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
        )

    def call(
        self,
        role: str,
        *arguments: str,
        path: str | None = None,
        home: Path | None = None,
        by: Sequence[str] = (),
        limit_s: float = LIMIT_S,
    ) -> Said:
        """Run mptcp-check somewhere to its end; ``by`` is a command that becomes somebody else."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name(role), *by, *program(*arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            env=self.environment(path) | ({"HOME": str(home)} if home else {}),
            check=False,
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def environment(self, path: str | None = None) -> dict[str, str]:
        """Return the user's environment: a home of his own, with his ssh keys."""
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))  # images
        own = {"HOME": str(self.home), "XDG_CACHE_HOME": cache}
        kept = {k: v for k, v in os.environ.items() if k != "SSH_AUTH_SOCK"}
        return {**kept, **own, **({"PATH": path} if path else {})}

    def strip(self, interface: str, rule: str) -> None:
        """Let the router do something with what it forwards."""
        self.run("router", "nft", "add", "table", "ip", "box")
        chain = "{ type filter hook forward priority mangle; }"
        self.run("router", "nft", f"add chain ip box passing {chain}")
        self.run("router", "nft", f'add rule ip box passing iifname "{interface}" {rule}')

    def trust(self, *, key_of: Path | None = None) -> None:
        """Make known to the user whose key the hosts have, or another one."""
        key = (key_of or self.directory / "host_key.pub").read_text().split()[:2]
        hosts = [f"[{h}]:{p}" for h in (SERVER, LAPTOP) for p in (SSH_PORT, ODD_PORT, POOR_PORT)]
        lines = [f"{host} {' '.join(key)}\n" for host in hosts]
        (self.home / ".ssh" / "known_hosts").write_text("".join(lines))

    @contextmanager
    def bridges(self) -> Iterator[tuple[str, str]]:
        """Put the laptop's interfaces into bridges for a while."""
        for i in range(2):
            self.run(
                "laptop", "ip", "link", "add", f"br{i}", "type", "bridge", "forward_delay", "0"
            )
            self.run("laptop", "ip", "-4", "address", "flush", "dev", f"lan{i}")
            self.run("laptop", "ip", "link", "set", f"lan{i}", "master", f"br{i}")
            self.run("laptop", "ip", "link", "set", f"br{i}", "up")
            _address(self, "laptop", f"br{i}", *LAPTOP_NETWORKS[i], metric=100 * (i + 1))
        try:
            yield "br0", "br1"
        finally:
            for i in range(2):
                self.run("laptop", "ip", "link", "del", f"br{i}")
                _address(self, "laptop", f"lan{i}", *LAPTOP_NETWORKS[i], metric=100 * (i + 1))
            # a bridge may have had the hardware address of a machine's card
            self.run("router", "ip", "neighbour", "flush", "all")

    @contextmanager
    def six(self) -> Iterator[None]:
        """Give everybody IPv6 too, for a while; the router advertises its networks."""
        for i in range(2):  # the laptop's own addresses are known ones
            self.run("laptop", "sysctl", "-qw", f"net.ipv6.conf.lan{i}.accept_ra=0")
        for role, interface, address in SIX:
            self.run(role, "ip", "address", "add", address, "dev", interface, "nodad")
        self.run("router", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        self.run("server", "ip", "route", "add", "default", "via", "fd99::1")
        for i in range(2):
            where = ["default", "via", f"fd88:{i}::1", "dev", f"lan{i}", "metric", f"{100 + i}"]
            self.run("laptop", "ip", "-6", "route", "add", *where)
        try:
            with _serving(self, "router", _advertising(self)):
                yield
        finally:
            self.run("router", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=0")
            for role, interface, address in SIX:
                self.run(role, "ip", "address", "del", address, "dev", interface)
            for role in ("laptop", "server"):
                self.run(role, "ip", "-6", "route", "flush", "default")

    @contextmanager
    def poor(self, role: str, *programs: str) -> Iterator[None]:
        """Let ssh reach a box at `POOR_PORT` where some programs are not installed."""
        config = self.directory / f"poor_config_{role}"
        config.write_text(SSHD.format(port=POOR_PORT, directory=self.directory, more=""))
        # what cannot be executed is as good as absent, and only this sshd's mounts are changed
        over = (
            'while [ "$1" != -- ]; do mount --bind /dev/null "$1" && shift; done; shift; exec "$@"'
        )
        paths = [str(shutil.which(name, path=BOX_PATH)) for name in programs]
        sshd = ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)]
        with _serving(self, role, ["sh", "-ec", over, "sh", *paths, "--", *sshd]):
            _await_port(self, role, POOR_PORT)
            yield

    def clear(self) -> None:
        """Let the router pass everything again."""
        self.run("router", "nft", "flush", "ruleset")


SHAPED = ("tbf", "rate", "100mbit", "burst", "64kb", "limit", "1mb")


@contextmanager
def site(directory: Path) -> Iterator[Site]:
    """Build the site and remove it after."""
    found = Site(directory=directory, suffix=f"site{os.getpid():x}")
    with ExitStack() as stack:
        for role in ("laptop", "router", "server", "desk"):
            run("ip", "netns", "add", found.name(role))
            stack.callback(_remove, found.name(role))
            found.run(role, "ip", "link", "set", "lo", "up")
        _join(found, "laptop", "lan0", "lan0")
        _join(found, "laptop", "lan1", "lan1")
        _join(found, "server", "eth0", "wan")
        _join(found, "desk", "eth0", "desk")
        for interface, address in ROUTER_ADDRESSES.items():
            found.run("router", "ip", "address", "add", address, "dev", interface)
        found.run("router", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        # as fast as memory, a transfer could end before its second subflow has joined
        for role, interface in (("router", "wan"), ("server", "eth0")):
            found.run(role, "tc", "qdisc", "add", "dev", interface, "root", *SHAPED)
        for i, (address, gateway) in enumerate(LAPTOP_NETWORKS):
            _address(found, "laptop", f"lan{i}", address, gateway, metric=100 * (i + 1))
        _address(found, "server", "eth0", f"{SERVER}/24", "198.51.100.1")
        _address(found, "desk", "eth0", f"{DESK}/24", "10.88.8.1")
        _keys(found)
        stack.enter_context(_serving(found, "router", _dnsmasq(found)))
        for role, port, file in SSHDS:
            command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(directory / file)]
            stack.enter_context(_serving(found, role, command))
            _await_port(found, role, port)
        yield found


def run(*command: str) -> str:
    """Run a program that must succeed and return what it wrote."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def _join(found: Site, role: str, interface: str, router: str) -> None:
    own, other = found.name(role), found.name("router")
    pair = ["type", "veth", "peer", "name", router, "netns", other]
    run("ip", "link", "add", "name", interface, "netns", own, *pair)
    for namespace, end in ((own, interface), (other, router)):
        run("ip", "netns", "exec", namespace, "ethtool", "-K", end, *OFFLOADS)
        run("ip", "-n", namespace, "link", "set", end, "up")


def _address(
    found: Site, role: str, interface: str, address: str, gateway: str, *, metric: int = 0
) -> None:
    found.run(role, "ip", "address", "add", address, "dev", interface)
    where = ["default", "via", gateway, "dev", interface, "metric", str(metric)]
    found.run(role, "ip", "route", "add", *where)


def _keys(found: Site) -> None:
    directory, ssh = found.directory, found.home / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    for path in (directory / "host_key", ssh / "id_ed25519"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path))
    public = (ssh / "id_ed25519.pub").read_text()
    (directory / "authorized_keys").write_text(public)
    found.odd.mkdir()
    odd = f"SetEnv PATH={found.odd} HOME={found.odd}"  # no startup file of this computer
    for port, file, more in ((SSH_PORT, "sshd_config", ""), (ODD_PORT, "odd_config", odd)):
        text = SSHD.format(port=port, directory=directory, more=more)
        (directory / file).write_text(text)
    Path("/run/sshd").mkdir(exist_ok=True)
    found.trust()


def _dnsmasq(found: Site) -> list[str]:
    ranges = [f"--dhcp-range=10.88.{i}.50,10.88.{i}.99,255.255.255.0,1h" for i in range(2)]
    return [
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping"),
        *("--bind-interfaces", "--interface=lan0", "--interface=lan1", *ranges),
        f"--dhcp-leasefile={found.directory}/leases",
        *("--user=root", "--pid-file=", "--log-facility=-", "--dhcp-authoritative"),
    ]


def _advertising(found: Site) -> list[str]:
    ranges = [f"--dhcp-range=::,constructor:lan{i},ra-only,64,1h" for i in range(2)]
    return [
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--enable-ra"),
        *("--bind-interfaces", "--interface=lan0", "--interface=lan1", *ranges),
        *("--user=root", "--pid-file=", "--log-facility=-"),
        f"--dhcp-leasefile={found.directory}/advertised",
    ]


@contextmanager
def _serving(found: Site, role: str, command: Sequence[str]) -> Iterator[None]:
    log = found.directory / f"{role}-{Path(command[-1]).name}.log"
    with log.open("wb") as words:
        child = subprocess.Popen(
            ["ip", "netns", "exec", found.name(role), *command], stdout=words, stderr=words
        )
    try:
        yield
    finally:
        child.terminate()
        child.wait(timeout=120)


def _await_port(found: Site, role: str, port: int) -> None:
    for _ in range(2400):
        if f":{port} " in found.run(role, "ss", "-Hnlt"):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port} of {role}")


def _remove(name: str) -> None:
    for pid in run("ip", "netns", "pids", name).split():
        subprocess.run(["kill", "-9", pid], check=False, capture_output=True)
    run("ip", "netns", "del", name)
