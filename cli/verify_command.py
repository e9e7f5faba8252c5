"""`dalsegno verify`."""

from __future__ import annotations

import re
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dalsegno.actors.supervisor.settings import SEEN_RETENTION_SECONDS
from dalsegno.cli import options
from dalsegno.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from dalsegno.verification import Finding, Progress, Summary

DEFAULT_BATCH = 2_000
PROGRESS_SECONDS = 1.0
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only runs that were open then or later: an age (90m, 24h, 7d) or a time (2026-11-20T08:00, UTC).",
    ),
]
WorkflowID = Annotated[str | None, typer.Option(metavar="ID", help="Only the runs of this workflow.")]
RunID = Annotated[str | None, typer.Option(metavar="RUN", help="Only this run.")]
Batch = Annotated[
    int, typer.Option(min=1, max=100_000, help="Journal rows that one read transaction brings at most.")
]


Broker = Annotated[
    str | None,
    typer.Option(
        envvar="DALSEGNO_BROKER", metavar="URL", help="Asked, if it is given, whether the database is older."
    ),
]


def verify(
    database: options.Database = options.DEFAULT_DATABASE,
    broker: Broker = None,
    since: Since = None,
    workflow_id: WorkflowID = None,
    run_id: RunID = None,
    batch: Batch = DEFAULT_BATCH,
    seen_retention: options.SeenRetention = SEEN_RETENTION_SECONDS,
    as_json: options.AsJson = False,
) -> None:
    """Check stored histories: is anything lost, doubled, or not what it should be?

    It only reads, in small transactions, and hosts may go on meanwhile. What it finds is said with workflow ID,
    run ID and sequence.

    Exit codes: 0 all is sound; 1 there are findings; 2 something must be mended (URL, password, tables, a
    wrong ID); 3 the database is not there just now, or runs could not be read to their end; 4 a newer version
    has written in runs, which were not read.
    """
    from dalsegno.cli.failures import FAILED, NEWER, UNAVAILABLE
    from dalsegno.cli.output import print_json
    from dalsegno.verification import AuditReader, Scope
    from dalsegno.verification import verify as check

    start = None if since is None else moment_of(since, now=time.time())
    scope = Scope(since=start, workflow_id=workflow_id, run_id=run_id, seen_retention_seconds=seen_retention)
    progress = _ProgressLine()

    def tell(finding: Finding) -> None:
        progress.clear()
        if as_json:
            print_json(_document(finding))
        else:
            _say_finding(finding)

    with closing(AuditReader(database, batch=batch)) as reader:
        try:
            summary = check(reader, scope, on_finding=tell, on_progress=progress.show)
        finally:
            progress.clear()
    if as_json:
        print_json({"summary": summary, "sound": summary.is_sound and not (summary.unread or summary.newer)})
    else:
        _say_summary(summary)
    is_older = broker is not None and _is_older(broker, database)
    if is_older or not summary.is_sound:
        raise typer.Exit(FAILED)
    if summary.newer:
        raise typer.Exit(NEWER)
    if summary.unread:
        raise typer.Exit(UNAVAILABLE)


def _is_older(broker: str, database: str) -> bool:
    """Whether the broker has seen more of the database than there is; then it is said."""
    import asyncio

    from dalsegno.cli.failures import complain, sentence_of
    from dalsegno.cli.watermark import compare_ages

    try:
        asyncio.run(compare_ages(broker, database))
    except ConfigurationError as error:
        complain(sentence_of(error))
        return True
    except TransientError as error:
        complain(f"whether the database is older than its broker is not known: {sentence_of(error)}")
    return False


def moment_of(text: str, *, now: float, option: str = "--since") -> int:
    """Microseconds since 1970 of an age or a time. A time without a zone is UTC."""
    if age := re.fullmatch(r"(\d{1,9})([smhd])", text):
        return int((now - int(age[1]) * UNIT_SECONDS[age[2]]) * 1_000_000)
    try:
        time_ = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{option} is {text!r}, but must be an age (90m, 24h, 7d) or a time (2026-11-20T08:00)."
        ) from None
    aware = time_ if time_.tzinfo is not None else time_.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000_000)


def _document(finding: Finding) -> dict[str, object]:
    return {
        "finding": finding.invariant.value,
        "workflow_id": finding.workflow_id,
        "run_id": finding.run_id,
        "sequence": finding.sequence,
        "message": finding.text,
    }


def _say_finding(finding: Finding) -> None:
    from dalsegno.cli.output import say

    say(finding.sentence)


def _say_summary(summary: Summary) -> None:
    from dalsegno.cli.output import say, table
    from dalsegno.verification import Invariant

    if summary.findings:
        rows = [(name, count, Invariant(name).claim) for name, count in summary.findings.items()]
        table(["invariant", "findings", "what should hold"], rows)
    if summary.unread:
        say(f"{summary.unread} runs were trimmed faster than they were read; try again with a larger --batch.")
    found = sum(summary.findings.values())
    sound = "All that was read is sound" if summary.unread or summary.newer else "All is sound"
    verdict = sound if summary.is_sound else f"{found} finding{'s' if found > 1 else ''}"
    speed = f"{summary.rows / summary.seconds:,.0f} a second"
    say(f"{verdict}: {summary.runs:,} runs, {summary.rows:,} rows in {summary.seconds:.1f} s ({speed}).")
    if summary.newer:
        runs = "1 run holds" if summary.newer == 1 else f"{summary.newer:,} runs hold"
        say(f"{runs} what a newer version of dalsegno has written: newer, not read. Verify with that version.")


class _ProgressLine:
    """One line on a terminal, overwritten once a second; nothing anywhere else."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()
        self._is_shown = False
        self._next = time.monotonic() + PROGRESS_SECONDS

    def show(self, progress: Progress) -> None:
        if not self._shows or time.monotonic() < self._next:
            return
        from dalsegno.cli.output import plain

        self._next = time.monotonic() + PROGRESS_SECONDS
        text = f"{progress.part}: {progress.runs:,} runs, {progress.rows:,} rows, at {plain(progress.at)[:60]}"
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        self._is_shown = True

    def clear(self) -> None:
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._is_shown = False
