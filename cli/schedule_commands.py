"""`dalsegno schedule ...`: the flags of each command; what they do stands in `schedules`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from dalsegno.cli import options
from dalsegno.schedules.policies import ScheduleOverlapPolicy

app = typer.Typer(
    help="Have workflows started at times that are said beforehand.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%SZ"]
Moment = datetime | None

ID = Annotated[str, typer.Argument(metavar="ID", help="The ID of the schedule.", show_default=False)]
Crons = Annotated[
    list[str],
    typer.Option("--cron", metavar="LINE", help="'30 8 * * MON-FRI', '@daily'; repeat it for several."),
]
Intervals = Annotated[
    list[str], typer.Option("--interval", metavar="TIME", help="'90s', '15m', '1h/5m' (with an offset).")
]
Calendars = Annotated[
    list[str],
    typer.Option("--calendar", metavar="JSON", help="""'{"hour": [{"start": 9, "end": 17}]}', or @file."""),
]
Skips = Annotated[
    list[str], typer.Option("--skip", metavar="JSON", help="A calendar of times that are left out.")
]
TimeZone = Annotated[
    str | None, typer.Option("--time-zone", metavar="NAME", help="Whose clock is meant: 'Europe/Berlin' (UTC).")
]
StartAt = Annotated[Moment, typer.Option(metavar="TIME", formats=TIMES, help="No time is earlier.")]
EndAt = Annotated[Moment, typer.Option(metavar="TIME", formats=TIMES, help="No time is later.")]
Jitter = Annotated[str | None, typer.Option(metavar="TIME", help="Begin up to so much later: '5m'.")]
Overlap = Annotated[
    ScheduleOverlapPolicy | None,
    typer.Option(
        metavar="POLICY",
        help="If the last one still runs: skip (default), buffer_one, buffer_all, cancel_other, "
        "terminate_other, allow_all.",
    ),
]
CatchupWindow = Annotated[
    str | None, typer.Option(metavar="TIME", help="After an outage, what is older is left out: '1h' (a year).")
]
PauseOnFailure = Annotated[
    bool | None,
    typer.Option("--pause-on-failure/--no-pause-on-failure", help="Pause it when a workflow of it fails."),
]
Paused = Annotated[bool | None, typer.Option("--paused/--unpaused", help="Whether nothing is to be started.")]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="For people.")]
Remaining = Annotated[
    int | None, typer.Option(min=0, metavar="NUMBER", help="So many workflows are started, and no more.")
]
Type = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="The type of the workflows that are started.")
]
ActionID = Annotated[
    str | None,
    typer.Option("--workflow-id", metavar="ID", help="What their IDs begin with; the time stands behind it."),
]
TaskQueue = Annotated[str | None, typer.Option(metavar="NAME", help="Where their activities go (default).")]
ExecutionTimeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="After which each is ended as timed out.")
]


@app.command()
def create(
    schedule_id: ID,
    workflow_type: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="The type of the workflows that are started.")
    ],
    workflow_id: ActionID = None,
    inputs: options.Inputs = [],  # noqa: B006 - typer copies it
    task_queue: TaskQueue = None,
    execution_timeout: ExecutionTimeout = None,
    priority: options.PriorityLevel = None,
    cron: Crons = [],  # noqa: B006
    interval: Intervals = [],  # noqa: B006
    calendar: Calendars = [],  # noqa: B006
    skip: Skips = [],  # noqa: B006
    time_zone: TimeZone = None,
    start_at: StartAt = None,
    end_at: EndAt = None,
    jitter: Jitter = None,
    overlap: Overlap = None,
    catchup_window: CatchupWindow = None,
    pause_on_failure: PauseOnFailure = None,
    paused: Paused = None,
    note: Note = None,
    remaining: Remaining = None,
    trigger: Annotated[bool, typer.Option("--trigger", help="Start one now, too.")] = False,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Make a schedule. Times are UTC unless --time-zone says otherwise.

    Examples:
      dalsegno schedule create nightly --type Report --cron '0 2 * * *' --time-zone Europe/Berlin
      dalsegno schedule create poll --type Poll --interval 5m --overlap buffer_one --input '"all"'
    """
    from dalsegno.cli import code, schedules

    changes = schedules.Changes(
        workflow=workflow_type,
        workflow_id=workflow_id or schedule_id,
        inputs=inputs,
        task_queue=task_queue,
        execution_timeout=execution_timeout,
        priority=options.priority(priority),
        cron=cron,
        interval=interval,
        calendar=calendar,
        skip=skip,
        time_zone=time_zone,
        start_at=start_at,
        end_at=end_at,
        jitter=jitter,
        overlap=overlap,
        catchup_window=catchup_window,
        pause_on_failure=pause_on_failure,
        paused=paused,
        note=note,
        remaining=remaining,
    )
    converter = code.data_converter(data_converter)
    schedules.create(broker, timeout, schedule_id, changes, trigger=trigger, converter=converter)


@app.command()
def update(
    schedule_id: ID,
    workflow_type: Type = None,
    workflow_id: ActionID = None,
    inputs: options.Inputs = [],  # noqa: B006
    task_queue: TaskQueue = None,
    execution_timeout: ExecutionTimeout = None,
    priority: options.PriorityLevel = None,
    cron: Crons = [],  # noqa: B006
    interval: Intervals = [],  # noqa: B006
    calendar: Calendars = [],  # noqa: B006
    skip: Skips = [],  # noqa: B006
    time_zone: TimeZone = None,
    start_at: StartAt = None,
    end_at: EndAt = None,
    jitter: Jitter = None,
    overlap: Overlap = None,
    catchup_window: CatchupWindow = None,
    pause_on_failure: PauseOnFailure = None,
    paused: Paused = None,
    note: Note = None,
    remaining: Remaining = None,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Change what is said of a schedule, and leave the rest.

    With any of --cron, --interval and --calendar all its times are those that
    are given. What runs and what waits stays.

    Example: dalsegno schedule update nightly --cron '0 3 * * *'
    """
    from dalsegno.cli import code, schedules

    changes = schedules.Changes(
        workflow=workflow_type,
        workflow_id=workflow_id,
        inputs=inputs,
        task_queue=task_queue,
        execution_timeout=execution_timeout,
        priority=options.priority(priority),
        cron=cron,
        interval=interval,
        calendar=calendar,
        skip=skip,
        time_zone=time_zone,
        start_at=start_at,
        end_at=end_at,
        jitter=jitter,
        overlap=overlap,
        catchup_window=catchup_window,
        pause_on_failure=pause_on_failure,
        paused=paused,
        note=note,
        remaining=remaining,
    )
    schedules.update(broker, timeout, schedule_id, changes, converter=code.data_converter(data_converter))


@app.command("list")
def list_(
    query: Annotated[
        str | None,
        typer.Option("--query", "-q", metavar="FILTER", help="On the workflows that schedules are."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="How many at most.")] = 100,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """The schedules, the newest first."""
    from dalsegno.cli import schedules

    schedules.show_all(broker, timeout, query, limit, as_json=as_json)


@app.command()
def describe(
    schedule_id: ID,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
    as_json: options.AsJson = False,
) -> None:
    """What a schedule starts and when, what it has started, and what is next."""
    from dalsegno.cli import code, schedules

    converter = code.data_converter(data_converter)
    schedules.describe(broker, timeout, schedule_id, converter=converter, as_json=as_json)


@app.command()
def pause(
    schedule_id: ID,
    note: Note = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Start nothing more because it is time. What passes meanwhile is not made up for."""
    from dalsegno.cli import schedules

    schedules.pause(broker, timeout, schedule_id, note)


@app.command()
def unpause(
    schedule_id: ID,
    note: Note = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Go on with its next time."""
    from dalsegno.cli import schedules

    schedules.unpause(broker, timeout, schedule_id, note)


@app.command()
def trigger(
    schedule_id: ID,
    overlap: Overlap = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Start a workflow now, also if the schedule is paused."""
    from dalsegno.cli import schedules

    schedules.trigger(broker, timeout, schedule_id, overlap)


@app.command()
def backfill(
    schedule_id: ID,
    start_at: Annotated[
        datetime, typer.Option("--from", metavar="TIME", formats=TIMES, help="Times are later.")
    ],
    end_at: Annotated[
        datetime, typer.Option("--to", metavar="TIME", formats=TIMES, help="The last may be this.")
    ],
    overlap: Overlap = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Go through times that are over as if they were now.

    Example: dalsegno schedule backfill nightly --from 2026-11-01 --to 2026-11-08 --overlap buffer_all
    """
    from dalsegno.cli import schedules

    schedules.backfill(broker, timeout, schedule_id, start_at, end_at, overlap)


@app.command()
def delete(
    schedule_id: ID, broker: options.Broker = options.DEFAULT_BROKER, timeout: options.Timeout = 10.0
) -> None:
    """Start nothing by it any more. What it has started goes on."""
    from dalsegno.cli import schedules

    schedules.delete(broker, timeout, schedule_id)
