"""OpenSSH's sshd as the measurement's server for sftp, scp and plain streams.

Who may log in are two users that exist for this sshd only: it sees a list of users of its own in
the place of the machine's, which stays as it is.  Both are `USER` to the kernel.

- the run's user gets the sftp server that is built into sshd, in a root directory that holds the
  measurement's files and no program;
- the one for streams runs the script below, whatever is asked for: four commands and no shell.

Neither can forward a port or an agent, and there is no password.
"""

import pwd
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.lab import ENVIRONMENT
from mptcp_guest.messages import STREAM_SUFFIX
from mptcp_guest.serving.program import USER, Place, Program, socket_address

USERS = Path("/etc/passwd")
SEPARATION = Path("/run/sshd")
"""Where sshd shuts in what has not logged in yet; Debian's own unit makes it."""

SHOWN_INSTEAD = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
"""Shows a file in the place of another to one program, in a namespace of mounts that goes with it.

A Python that did the same would need seconds to start on an emulated machine."""

NO_SUCH_COMMAND = 64
"""EX_USAGE of sysexits.h."""


def configuration(directory: Path, files: Path, *, user: str, address: str, port: int) -> str:
    """Return sshd_config; PURE.

    Args:
        directory: Holds the keys and the script.
        files: What the run's user sees as its root.
        user: The run's; the one for streams is called after it.
        address: The one on which it listens.
        port: The same.
    """
    stream = user + STREAM_SUFFIX
    return f"""\
ListenAddress {socket_address(address, port)}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
UsePAM no
UseDNS no
AllowUsers {user} {stream}
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
DisableForwarding yes
PermitTTY no
PermitUserRC no
PermitTunnel no
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
Match User {user}
  ChrootDirectory {files}
  ForceCommand internal-sftp
Match User {stream}
  ForceCommand /bin/sh {directory}/stream
"""


def script(files: Path) -> str:
    """Return what runs when the user for streams logs in; PURE."""
    return f"""\
# what was asked for must be one of these commands, letter by letter, about a plain name
set -fu
cd {shlex.quote(str(files))} || exit
asked=${{SSH_ORIGINAL_COMMAND-}}
name=${{asked##*[ /]}}
case $name in
'' | [.-]* | *[!a-zA-Z0-9._-]*) exit {NO_SUCH_COMMAND} ;;
esac
case $asked in
"send $name") exec cat "down/$name" ;;
"take $name") exec cat >"up/$name" ;;
"scp -f down/$name") exec scp -f "down/$name" ;;
"scp -t up/$name") exec scp -t "up/$name" ;;
esac
exit {NO_SUCH_COMMAND}
"""


def users(own: str, names: Sequence[str], *, uid: int, gid: int) -> str:
    """Return a list of users that has these too, who are nobody else; PURE."""
    kept = [line for line in own.splitlines() if line.partition(":")[0] not in names]
    added = [f"{name}:x:{uid}:{gid}::/:/bin/sh" for name in names]
    return "\n".join([*kept, *added]) + "\n"


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    owner, user = pwd.getpwnam(USER), arguments["user"]
    names = [user, user + STREAM_SUFFIX]
    if not SEPARATION.exists():
        place.lab.undo.add(["rmdir", str(SEPARATION)])
        SEPARATION.mkdir(mode=0o755)
    place.written("host_key", arguments["ssh_host_key"], secret=True)
    place.written("authorized_keys", arguments["ssh_client_key"] + "\n")
    place.written("stream", script(place.files))
    listed = place.written(
        "users",
        users(USERS.read_text(), names, uid=owner.pw_uid, gid=owner.pw_gid),
    )
    text = configuration(
        place.directory,
        place.files,
        user=user,
        address=wanted["address"],
        port=wanted["port"],
    )
    config = place.written("sshd_config", text)
    # it starts itself anew for each connection, and wants to know where it is
    sshd = shutil.which("sshd", path=ENVIRONMENT["PATH"]) or "/usr/sbin/sshd"
    return [
        *("unshare", "--mount", "--propagation", "private"),
        *("sh", "-c", SHOWN_INSTEAD, "sh", str(listed), str(USERS)),
        *(sshd, "-D", "-e", "-f", str(config)),
    ]


PROGRAM = Program(name="ssh", tool="sshd", package="openssh-server", prepare=_prepare)
