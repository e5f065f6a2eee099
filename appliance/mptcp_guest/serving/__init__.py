"""The servers of a measurement, one module each: real ones, as a distribution has them."""

from collections.abc import Mapping

from mptcp_guest.serving import echo, ftp, http, irc, mailbox, mqtt, redis, sip, smtp, throughput
from mptcp_guest.serving.program import Program

PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        http.PROGRAM,
        ftp.PROGRAM,
        echo.CLIENT_FIRST,
        echo.SERVER_FIRST,
        mailbox.IMAP,
        mailbox.IMAPS,
        mailbox.POP3,
        mailbox.POP3S,
        smtp.PROGRAM,
        mqtt.MQTT,
        mqtt.MQTTS,
        redis.PROGRAM,
        irc.PROGRAM,
        throughput.PROGRAM,
        sip.PROGRAM,
    )
}
"""Every kind of server by its service's name."""
