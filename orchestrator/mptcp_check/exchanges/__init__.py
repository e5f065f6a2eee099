"""The applications of a check, one module each: what the client runs and what must arrive."""

from collections.abc import Mapping

from mptcp_check.exchanges import (
    dns,
    echo,
    ftp,
    git,
    http,
    https,
    irc,
    mailbox,
    mqtt,
    redis,
    rsync,
    sip,
    smtp,
    ssh,
    throughput,
    websocket,
)
from mptcp_check.exchanges.application import Application

APPLICATIONS: Mapping[str, Application] = {
    application.name: application
    for application in (
        http.APPLICATION,
        https.APPLICATION,
        websocket.APPLICATION,
        websocket.TLS,
        ftp.APPLICATION,
        ftp.FTPS,
        ssh.SFTP,
        ssh.SCP,
        ssh.SSH,
        rsync.APPLICATION,
        git.APPLICATION,
        dns.APPLICATION,
        dns.TLS,
        echo.CLIENT_FIRST,
        echo.SERVER_FIRST,
        smtp.APPLICATION,
        mailbox.IMAP,
        mailbox.IMAPS,
        mailbox.POP3,
        mailbox.POP3S,
        mqtt.MQTT,
        mqtt.MQTTS,
        redis.APPLICATION,
        irc.APPLICATION,
        throughput.APPLICATION,
        sip.APPLICATION,
    )
}
"""Every application by its name, in the order in which they are planned."""
