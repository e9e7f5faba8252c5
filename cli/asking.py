"""Commands that ask the engine something: one connection, one question, an answer for people or machines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from dalsegno.cli.logs import configure
from dalsegno.cli.output import moment, plain, print_json, say, simple, table
from dalsegno.client import Client
from dalsegno.errors import ConfigurationError
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowIDReusePolicy, WorkflowStatus

T = TypeVar("T")


def ask(broker: str, timeout: float, question: Callable[[Client], Awaitable[T]]) -> T:
    """Connect, ask, disconnect."""
    configure("error")

    async def main() -> T:
        async with Client.connect(broker, timeout=timeout) as client:
            return await question(client)

    return asyncio.run(main())


def values(inputs: Sequence[str]) -> list[Any]:
    """Arguments given as JSON. ConfigurationError says which is none."""
    parsed = []
    for number, text in enumerate(inputs, start=1):
        try:
            parsed.append(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(
                f"--input {number} is not JSON ({error}); a text needs quotes of its own: --input '\"text\"'"
            ) from None
    return parsed


def one_of(kind: type[T], value: str | None, flag: str) -> T | None:
    """A member of an enum by its value."""
    if value is None:
        return None
    try:
        return kind(value)  # type: ignore[call-arg]
    except ValueError:
        known = ", ".join(str(member) for member in kind)  # type: ignore[attr-defined]
        raise ConfigurationError(f"{flag} is {plain(value)!r}, but must be one of: {known}") from None


# --- hosts ---------------------------------------------------------------------------------------------------


def ping(broker: str, timeout: float, *, as_json: bool) -> None:
    pong = ask(broker, timeout, lambda client: client.ping())
    if as_json:
        print_json({"host_id": pong.host_id, "version": pong.version})
    else:
        say(f"host {pong.host_id} answers (dalsegno {pong.version})")


def hosts(broker: str, timeout: float, *, as_json: bool) -> None:
    rows = ask(broker, timeout, lambda client: client.hosts())
    if as_json:
        for row in rows:
            print_json(row)
        return
    table(
        "",
        ["host", "version", "valid until (UTC)", "partitions"],
        [(r.host_id, r.version, moment(r.expires_at), " ".join(map(str, r.partitions))) for r in rows],
    )


def partitions(broker: str, timeout: float, *, as_json: bool) -> None:
    rows = ask(broker, timeout, lambda client: client.partitions())
    if as_json:
        for row in rows:
            print_json(row)
        return
    table("", ["partition", "owner", "epoch"], [(r.partition, r.owner or "nobody", r.epoch) for r in rows])


# --- workflows -----------------------------------------------------------------------------------------------


def start(
    broker: str,
    timeout: float,
    workflow_type: str,
    workflow_id: str,
    inputs: Sequence[str],
    *,
    wait: bool,
    options: dict[str, Any],
    as_json: bool,
) -> None:
    arguments = values(inputs)
    options["id_conflict_policy"] = one_of(
        WorkflowIDConflictPolicy, options.pop("conflict_policy"), "--conflict-policy"
    )
    options["id_reuse_policy"] = one_of(WorkflowIDReusePolicy, options.pop("reuse_policy"), "--reuse-policy")
    given = {name: value for name, value in options.items() if value is not None}

    async def question(client: Client) -> Any:
        handle = await client.start(workflow_type, id=workflow_id, args=arguments, **given)
        status = handle.status or WorkflowStatus.RUNNING
        if not wait:
            return handle, status, None
        return handle, WorkflowStatus.COMPLETED, await handle.result()

    handle, status, result = ask(broker, timeout, question)
    if as_json:
        shown = {"workflow_id": handle.id, "run_id": handle.run_id, "status": status}
        if handle.suspended_reason:
            shown["reason"] = handle.suspended_reason
        print_json({**shown, "result": result} if wait else shown)
    elif wait:
        print_json(result)
    elif handle.suspended_reason:
        say(f"{workflow_id} is recorded and suspended: {handle.suspended_reason}. Run {handle.run_id}")
    else:
        say(f"{workflow_id} {status}, run {handle.run_id}")


def result(broker: str, timeout: float | None, workflow_id: str, run_id: str | None, *, as_json: bool) -> None:
    value = ask(
        broker,
        10.0,
        lambda client: client.get_workflow_handle(workflow_id, run_id).result(timeout=timeout),
    )
    print_json({"workflow_id": workflow_id, "result": value} if as_json else value)


def describe(broker: str, timeout: float, workflow_id: str, run_id: str | None, *, as_json: bool) -> None:
    told = ask(broker, timeout, lambda client: client.get_workflow_handle(workflow_id, run_id).describe())
    if as_json:
        print_json(told)
        return
    rows = [
        ("workflow ID", told.workflow_id),
        ("run ID", told.run_id),
        ("type", told.workflow_type),
        ("status", told.status),
        ("reason", told.suspended_reason),
        ("started (UTC)", moment(told.started_at)),
        ("closed (UTC)", moment(told.closed_at)),
        ("next wake-up (UTC)", moment(told.next_wake_up_at)),
        ("partition", told.partition),
        ("host", told.host_id),
        ("history", f"{told.history_length} events, sequence {told.sequence}"),
        ("waiting for", "; ".join(told.waiting_for)),
        ("cancel requested", "yes" if told.cancel_requested else None),
    ]
    table("", ["", ""], [(name, value) for name, value in rows if value not in (None, "")])
    if told.pending_activities:
        table(
            "\npending activities",
            ["ID", "type", "queue", "state", "attempt", "last failure"],
            [
                (
                    activity.activity_id,
                    activity.activity_type,
                    activity.task_queue,
                    activity.state,
                    activity.attempt,
                    activity.last_failure.message if activity.last_failure else "",
                )
                for activity in told.pending_activities
            ],
        )


def list_workflows(
    broker: str,
    timeout: float,
    *,
    status: str | None,
    workflow_type: str | None,
    limit: int,
    as_json: bool,
) -> None:
    wanted = one_of(WorkflowStatus, status, "--status")

    async def question(client: Client) -> list[Any]:
        found = []
        runs = client.list_workflows(
            status=wanted, workflow_type=workflow_type, page_size=max(1, min(limit, 1000))
        )
        async for summary in runs:
            found.append(summary)
            if len(found) >= limit:
                break
        return found

    rows = ask(broker, timeout, question)
    if as_json:
        for row in rows:
            print_json(row)
        return
    table(
        "",
        ["workflow ID", "type", "status", "started (UTC)", "closed (UTC)", "reason"],
        [
            (r.workflow_id, r.workflow_type, r.status, moment(r.started_at), moment(r.closed_at), r.reason)
            for r in rows
        ],
    )


def history(broker: str, timeout: float, workflow_id: str, run_id: str | None, *, as_json: bool) -> None:
    async def question(client: Client) -> list[Any]:
        return [entry async for entry in client.history(workflow_id, run_id)]

    entries = ask(broker, timeout, question)
    if as_json:
        for entry in entries:
            print_json(entry)
        return
    table(
        "",
        ["#", "time (UTC)", "cause", "events"],
        [(e.sequence, moment(e.time), e.cause, "; ".join(map(_event, e.events))) for e in entries],
    )


def _event(event: dict[str, Any]) -> str:
    rest = {key: value for key, value in event.items() if key not in ("type", "wants", "stack")}
    text = " ".join(f"{key}={json.dumps(simple(value))}" for key, value in rest.items())
    short = text if len(text) <= 120 else f"{text[:117]}..."
    return f"{event.get('type')} {short}".strip()


def query(
    broker: str, timeout: float, workflow_id: str, run_id: str | None, name: str, inputs: Sequence[str]
) -> None:
    arguments = values(inputs)
    answer = ask(
        broker,
        timeout,
        lambda client: client.get_workflow_handle(workflow_id, run_id).query(name, *arguments),
    )
    print_json(answer)


def command(
    broker: str,
    timeout: float,
    workflow_id: str,
    run_id: str | None,
    act: Callable[[Any], Awaitable[None]],
    done: str,
    *,
    as_json: bool,
) -> None:
    """A command that changes something and answers nothing."""
    ask(broker, timeout, lambda client: act(client.get_workflow_handle(workflow_id, run_id)))
    if as_json:
        print_json({"workflow_id": workflow_id, "done": done})
    else:
        say(f"{workflow_id}: {done}")
