"""`dalsegno why`: why a workflow does not move, or all that are open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import typer

from dalsegno.cli.asking import look
from dalsegno.cli.failures import STUCK
from dalsegno.cli.options import (
    DEFAULT_BROKER,
    DEFAULT_DATABASE,
    Source,
    embedded_file,
)
from dalsegno.cli.output import print_json, say, table
from dalsegno.client import Looking, NoAnswerError
from dalsegno.data_converter import DataConverter
from dalsegno.errors import BrokerUnavailableError
from dalsegno.reasons.explain import under_no_host
from dalsegno.reasons.of_hosts import NoHost
from dalsegno.reasons.reason import Why
from dalsegno.reasons.tally import WhyTally

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Seen = Callable[[Why], Why]
"""What is told of it where more is known than rows show."""


class Question(Protocol[T_co]):
    def __call__(self, looking: Looking, seen: Seen) -> Awaitable[T_co]: ...


SILENCE_SECONDS = 5.0
"""A host that has not answered by then does not."""

CONNECT_SECONDS = 5.0
"""The embedded broker is a process of this machine: it is there by then, busy as it may be, or not at all."""


def explain(
    source: Source,
    timeout: float,
    workflow_id: str,
    run_id: str | None,
    *,
    converter: DataConverter,
    as_json: bool,
) -> None:
    """Exits with STUCK for one that is."""

    async def question(looking: Looking, seen: Seen) -> Why:
        return seen(await looking.why(workflow_id, run_id, timeout=min(timeout, SILENCE_SECONDS)))

    told = _look(source, timeout, question, converter)
    if as_json:
        print_json(told.as_map())
    else:
        _show(told, source)
    if told.is_stuck:
        raise typer.Exit(STUCK)


def explain_all(
    source: Source,
    timeout: float,
    query: str,
    *,
    limit: int,
    by_group: bool,
    converter: DataConverter,
    as_json: bool,
) -> None:
    """Exits with STUCK if any is."""

    async def question(looking: Looking, seen: Seen) -> tuple[list[Why], WhyTally, bool]:
        told: list[Why] = []
        tally = WhyTally()
        async for one in looking.why_all(query):
            if tally.count == limit:
                return told, tally, True
            tally.add(seen(one))
            if not by_group:
                told.append(seen(one))
        return told, tally, False

    told, tally, has_more = _look(source, timeout, question, converter)
    if as_json:
        for document in tally.groups if by_group else told:
            print_json(document.as_map())
    elif not tally.count:
        say("No open workflow fits." if query.strip() else "No workflow is open.")
    elif by_group:
        groups = [(one.count, one.group, ", ".join(one.examples), one.reason.helps) for one in tally.groups]
        table(["count", "reason", "such as", "what helps"], groups)
    else:
        rows = [(one.workflow_id, one.workflow_type, one.reason.kind, one.sentence) for one in told]
        table(["workflow ID", "type", "kind", "reason"], rows)
    if has_more and not as_json:
        say(f"These are the first {limit:,}; --limit shows more.")
    if any(one.is_stuck for one in tally.groups):
        raise typer.Exit(STUCK)


def _look(source: Source, timeout: float, question: Question[T], converter: DataConverter) -> T:
    """The embedded default lives in the processes of its hosts: if it is not there, none of them is, and its
    database has the rest."""

    async def asked(looking: Looking) -> T:
        return await question(looking, lambda told: told)

    async def of_rows(looking: Looking) -> T:
        return await question(looking, under_no_host)

    is_default = source.database is None and source.broker == DEFAULT_BROKER
    if not is_default or not embedded_file(source.broker).exists():
        return look(source, timeout, asked, converter)
    try:
        return look(source, min(timeout, CONNECT_SECONDS), asked, converter)
    except NoAnswerError:
        return look(source, timeout, asked, converter)
    except BrokerUnavailableError:
        return look(Source(source.broker, DEFAULT_DATABASE), timeout, of_rows, converter)


def _show(told: Why, source: Source) -> None:
    for depth, one in enumerate(told.chain()):
        say(f"{'  ' * depth}{one.workflow_id}: {one.sentence}")
        for other in one.also:
            say(f"{'  ' * depth}  also: {other.sentence}")
    if told.helps is not None:
        say(f"What helps: {told.helps}")
    if isinstance(told.reason, NoHost) and told.status is None and source.database is None:
        say("(What it waits for itself, its database tells: --database URL.)")
