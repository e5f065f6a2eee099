"""The applications of a check, one module each: what the client runs and what must arrive."""

from collections.abc import Mapping

from mptcp_check.exchanges import dns, ftp, git, http, https, rsync, ssh, websocket
from mptcp_check.exchanges.application import Application

APPLICATIONS: Mapping[str, Application] = {
    application.name: application
    for application in (
        http.APPLICATION,
        https.APPLICATION,
        ftp.APPLICATION,
        ftp.FTPS,
        dns.APPLICATION,
        dns.TLS,
        git.APPLICATION,
        rsync.APPLICATION,
        ssh.SCP,
        ssh.SFTP,
        ssh.SSH,
        websocket.APPLICATION,
        websocket.TLS,
    )
}
"""Every application by its name, in the order in which they are planned."""
