"""`dalsegno workflow ...`: each command's question and its answer for people or machines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dalsegno.broker.protocol.messages import HistoryEntry
from dalsegno.cli import descriptions
from dalsegno.cli.asking import ask, look, values
from dalsegno.cli.failures import NewerRowsError
from dalsegno.cli.narration import Narrator, Printer
from dalsegno.cli.options import Source
from dalsegno.cli.output import moment, moment_after, print_json, say, table
from dalsegno.cli.search_attributes import typed
from dalsegno.cli.waiting import WaitLimit, waiting
from dalsegno.client import Client, Looking, WorkflowHandle
from dalsegno.data_converter import DataConverter
from dalsegno.errors import ConfigurationError, TransientError, WorkflowFailedError
from dalsegno.policies import WorkflowStatus

ROWS_ONLY = "(From the database alone: what else its code waits for, only a host knows.)"
FOLLOW_SECONDS = 0.2
"""Between looks at a history that is followed."""


def start(
    broker: str,
    timeout: float,
    workflow_type: str,
    workflow_id: str,
    inputs: Sequence[str],
    *,
    search_attributes: Sequence[str],
    wait: bool,
    follow: bool,
    wait_seconds: float | None,
    options: dict[str, Any],
    signal_inputs: Sequence[str],
    converter: DataConverter,
    as_json: bool,
) -> None:
    """`timeout` is for the start, `wait_seconds` (None is for ever) for the start and what is waited for."""
    arguments = values(inputs)
    given = {name: value for name, value in options.items() if value is not None}
    if signal_inputs:
        given["start_signal_args"] = values(signal_inputs, option="--signal-input")
    deadline = WaitLimit(wait_seconds)

    async def question(client: Client) -> None:
        if search_attributes:
            given["search_attributes"] = typed(search_attributes, await client.search_attributes())
        left = deadline.left()
        if left is not None:
            given["timeout"] = left
        handle = await client.start(workflow_type, id=workflow_id, args=arguments, **given)
        if not follow and not wait:
            _show_start(handle, as_json=as_json)
            return
        async with waiting(handle, deadline):
            if follow:
                await _follow(client, handle.id, handle.run_id, as_json=as_json)
            value = await _result(handle, as_json=as_json)
        if as_json or not follow:  # people have seen it in the history
            _show_result(handle, value, as_json=as_json)

    ask(broker, timeout, question, converter)


def _show_start(handle: WorkflowHandle[Any], *, as_json: bool) -> None:
    status = handle.status or WorkflowStatus.RUNNING
    if as_json:
        reason = {"reason": handle.suspended_reason} if handle.suspended_reason else {}
        print_json({"workflow_id": handle.id, "run_id": handle.run_id, "status": status, **reason})
    elif handle.suspended_reason:
        why = handle.suspended_reason.rstrip(".")
        say(f"{handle.id} is recorded and suspended: {why}. Run {handle.run_id}")
    else:
        say(f"{handle.id} is {status}, run {handle.run_id}")


def result(
    source: Source,
    timeout: float | None,
    workflow_id: str,
    run_id: str | None,
    *,
    converter: DataConverter,
    as_json: bool,
) -> None:
    deadline = WaitLimit(timeout)

    async def question(client: Looking) -> None:
        handle = client.get_workflow_handle(workflow_id, run_id)
        async with waiting(handle, deadline):
            value = await _result(handle, as_json=as_json)
        _show_result(handle, value, as_json=as_json)

    look(source, 10.0 if timeout is None else timeout, question, converter)


async def _result(handle: WorkflowHandle[Any], *, as_json: bool) -> Any:
    """The result. A failed run is told to machines, too, before its WorkflowFailedError goes on."""
    try:
        return await handle.result()
    except WorkflowFailedError as error:
        if as_json:
            cause = error.__cause__
            failure = {"type": getattr(cause, "type", type(cause).__name__), "message": str(cause)}
            print_json({"workflow_id": handle.id, "run_id": error.run_id, "failure": failure})
        raise


def _show_result(handle: WorkflowHandle[Any], value: Any, *, as_json: bool) -> None:
    print_json({"workflow_id": handle.id, "run_id": handle.run_id, "result": value} if as_json else value)


def history(
    source: Source,
    timeout: float,
    workflow_id: str,
    run_id: str | None,
    *,
    follow: bool,
    wait_seconds: float | None,
    converter: DataConverter,
    as_json: bool,
) -> None:
    deadline = WaitLimit(wait_seconds)

    async def question(client: Looking) -> None:
        if follow:
            handle = client.get_workflow_handle(workflow_id, run_id)
            description = await handle.describe()
            async with waiting(handle, deadline):
                await _follow(client, workflow_id, description.run_id, as_json=as_json)
            return
        show, end = _shown(as_json=as_json)
        newer: str | None = None
        async for entry in client.history(workflow_id, run_id):
            show(entry)
            newer = newer or _why_newer(entry)
        end()
        if newer is not None:
            raise NewerRowsError(f"Not all of this history can be read: {newer}")

    look(source, timeout, question, converter)


async def _follow(client: Looking, workflow_id: str, run_id: str | None, *, as_json: bool) -> None:
    """Show a run's history as it grows, through restarts of hosts and broker, until the run is closed."""
    show, end = _shown(as_json=as_json)
    seen = 0
    while True:
        try:
            async for entry in client.history(workflow_id, run_id, after=seen):
                seen = entry.sequence
                show(entry)
                if (newer := _why_newer(entry)) is not None:  # its end might not be seen
                    raise NewerRowsError(f"This history cannot be followed: {newer}")
                if any(event.get("type") == "RunClosed" for event in entry.events):
                    end()
                    return
        except TransientError:
            if not seen:
                raise
        await asyncio.sleep(FOLLOW_SECONDS)


def _why_newer(entry: HistoryEntry) -> str | None:
    """None unless a newer version has written it."""
    return next((str(event.get("reason")) for event in entry.events if event.get("newer")), None)


def _shown(*, as_json: bool) -> tuple[Callable[[HistoryEntry], None], Callable[[], None]]:
    """What shows an entry, and what ends the showing."""
    if as_json:
        return print_json, lambda: None
    narrator, printer = Narrator(), Printer()

    def show(entry: HistoryEntry) -> None:
        for line in narrator.tell(entry):
            printer.print(line)

    def end() -> None:
        for line in narrator.rest():
            printer.print(line)

    return show, end


def describe(
    source: Source,
    timeout: float,
    workflow_id: str,
    run_id: str | None,
    *,
    converter: DataConverter,
    as_json: bool,
) -> None:
    told = look(
        source, timeout, lambda client: client.get_workflow_handle(workflow_id, run_id).describe(), converter
    )
    if as_json:
        print_json(told)
        return
    descriptions.show(told)
    if source.database is not None and not told.status.closed:
        say(ROWS_ONLY)


def list_workflows(
    source: Source,
    timeout: float,
    *,
    status: Sequence[WorkflowStatus],
    workflow_type: Sequence[str],
    query: str | None,
    limit: int,
    as_json: bool,
) -> None:
    if query is not None and (status or workflow_type):
        raise ConfigurationError("Say in the filter what --status and --type would: they do not go together.")

    async def question(client: Looking) -> list[Any]:
        found: list[Any] = []
        page_size = min(limit, 1000)
        if query is not None:
            runs = client.list_workflows(query, page_size=page_size)
        else:
            runs = client.list_workflows(status=status, workflow_type=workflow_type, page_size=page_size)
        async for summary in runs:
            found.append(summary)
            if len(found) >= limit:
                break
        return found

    rows = look(source, timeout, question)
    if as_json:
        for row in rows:
            print_json(row)
        return
    if not rows:
        say("No runs that fit." if status or workflow_type or query else "No runs.")
        return
    table(
        ["workflow ID", "type", "status", "started (UTC)", "closed (UTC)", "reason"],
        [
            (
                run.workflow_id,
                run.workflow_type,
                run.status,
                moment(run.started_at),
                moment_after(run.closed_at, run.started_at),
                run.reason,
            )
            for run in rows
        ],
    )


def count_workflows(source: Source, timeout: float, query: str, *, as_json: bool) -> None:
    counted = look(source, timeout, lambda client: client.count_workflows(query))
    if as_json:
        groups = [{"values": group.group_values, "count": group.count} for group in counted.groups]
        print_json({"count": counted.count, "groups": groups})
        return
    if not counted.groups:
        say(f"{counted.count:,}")
        return
    table(
        ["count", "of"],
        [(f"{group.count:,}", ", ".join(group.group_values)) for group in counted.groups]
        + [(f"{counted.count:,}", "all")],
    )


def query(
    broker: str,
    timeout: float,
    workflow_id: str,
    run_id: str | None,
    name: str,
    inputs: Sequence[str],
    *,
    converter: DataConverter,
) -> None:
    arguments = values(inputs)
    print_json(
        ask(
            broker,
            timeout,
            lambda client: client.get_workflow_handle(workflow_id, run_id).query(name, *arguments),
            converter,
        )
    )


def command(
    broker: str,
    timeout: float,
    workflow_id: str,
    run_id: str | None,
    act: Callable[[WorkflowHandle[Any]], Awaitable[str | None]],
    done: str,
    *,
    converter: DataConverter = DataConverter.default,
    as_json: bool,
) -> None:
    """A command that changes something and answers nothing but that it is done: as `done`, or as `act` says."""
    said = ask(broker, timeout, lambda client: act(client.get_workflow_handle(workflow_id, run_id)), converter)
    if as_json:
        print_json({"workflow_id": workflow_id, "done": said or done})
    else:
        say(f"{workflow_id}: {said or done}")


async def resume(handle: WorkflowHandle[Any]) -> str | None:
    """Resume it; says so if there was nothing to resume."""
    before = await handle.describe()
    await handle.resume()
    return None if before.status is WorkflowStatus.SUSPENDED else "was not suspended"
