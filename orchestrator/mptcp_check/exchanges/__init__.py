"""The applications of a check, one module each: what the client runs and what must arrive."""

from collections.abc import Mapping

from mptcp_check.exchanges import echo, ftp, http, irc, mailbox, mqtt, redis, sip, smtp, throughput
from mptcp_check.exchanges.application import Application

APPLICATIONS: Mapping[str, Application] = {
    application.name: application
    for application in (
        http.APPLICATION,
        ftp.APPLICATION,
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
