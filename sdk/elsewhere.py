"""Keywords of Temporal's that are none here, and what says the same: nothing of them is silently left out."""

from __future__ import annotations

_INSTEAD = {
    "cron_schedule": (
        "what is to begin again and again has a schedule, as in client.create_schedule('nightly', "
        "Schedule(action=ScheduleActionStartWorkflow(Report.run, id='report'), "
        "spec=ScheduleSpec(cron_expressions=['0 2 * * *'])))"
    ),
    "rpc_timeout": "timeout=, in seconds, bounds how long a call waits",
    "rpc_metadata": "messages have no metadata of yours",
}


def no_option(what: str, name: str) -> TypeError:
    """That `what` ("A start") has no option of that name."""
    instead = _INSTEAD.get(name)
    return TypeError(f"{what} has no option {name!r}{f': {instead}' if instead else ''}.")
