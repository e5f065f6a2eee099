"""The table of verbs: what each takes and gives, and how long it may take."""

from dataclasses import dataclass

from mptcp_guest import messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """The types of a verb and how long it may take."""

    arguments: type
    result: type
    deadline_s: float


VERBS = {
    "hello": Verb(arguments=messages.Nothing, result=messages.HelloResult, deadline_s=20),
    "clock": Verb(arguments=messages.ClockArguments, result=messages.ClockResult, deadline_s=5),
    "power_off": Verb(arguments=messages.Nothing, result=messages.Nothing, deadline_s=10),
    "watchdog": Verb(
        arguments=messages.WatchdogArguments, result=messages.WatchdogResult, deadline_s=5
    ),
    "survey": Verb(arguments=messages.Nothing, result=messages.SurveyResult, deadline_s=20),
    "lab_up": Verb(arguments=messages.LabUpArguments, result=messages.LabUpResult, deadline_s=90),
    "lab_down": Verb(arguments=messages.Nothing, result=messages.Nothing, deadline_s=20),
    "configure": Verb(
        arguments=messages.ConfigureArguments, result=messages.ConfigureResult, deadline_s=20
    ),
    "first_hop": Verb(
        arguments=messages.FirstHopArguments, result=messages.FirstHopResult, deadline_s=30
    ),
    "counters": Verb(arguments=messages.Nothing, result=messages.CountersResult, deadline_s=10),
    "settle": Verb(arguments=messages.SettleArguments, result=messages.SettleResult, deadline_s=90),
    "monitor": Verb(
        arguments=messages.MonitorArguments, result=messages.MonitorResult, deadline_s=5
    ),
    "capture_start": Verb(
        arguments=messages.CaptureStartArguments, result=messages.CaptureStartResult, deadline_s=30
    ),
    "capture_state": Verb(
        arguments=messages.Nothing, result=messages.CaptureStateResult, deadline_s=10
    ),
    "capture_stop": Verb(
        arguments=messages.Nothing, result=messages.CaptureStopResult, deadline_s=120
    ),
    "capture_fetch": Verb(
        arguments=messages.FetchArguments, result=messages.FetchResult, deadline_s=60
    ),
    "capture_send": Verb(arguments=messages.SendArguments, result=messages.Nothing, deadline_s=60),
    "capture_handshakes": Verb(
        arguments=messages.Nothing, result=messages.HandshakesResult, deadline_s=60
    ),
    "services_start": Verb(
        arguments=messages.ServicesStartArguments, result=messages.ServicesResult, deadline_s=120
    ),
    "services_state": Verb(
        arguments=messages.Nothing, result=messages.ServicesResult, deadline_s=10
    ),
    "services_stop": Verb(
        arguments=messages.Nothing, result=messages.ServicesResult, deadline_s=30
    ),
    "offer": Verb(arguments=messages.OfferArguments, result=messages.Digest, deadline_s=60),
    "received": Verb(
        arguments=messages.ReceivedArguments, result=messages.ReceivedResult, deadline_s=60
    ),
    "discard": Verb(arguments=messages.DiscardArguments, result=messages.Nothing, deadline_s=60),
    "exchange": Verb(
        arguments=messages.ExchangeArguments, result=messages.ExchangeResult, deadline_s=300
    ),
}
"""Every verb the agent knows."""
