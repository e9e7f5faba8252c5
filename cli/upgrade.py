"""The rehearsal of a deployment, for people and machines."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import NoReturn

import typer

from dalsegno.activity_code.registry import Registry
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import UnloadableStateError
from dalsegno.cli import code
from dalsegno.cli.failures import FAILED, INTERRUPTED, NewerRowsError, complain
from dalsegno.cli.namespace import checked_store
from dalsegno.cli.output import plain, print_json, table
from dalsegno.cli.serving import converter_flags, local_activities_in, program
from dalsegno.errors import ConfigurationError
from dalsegno.persistence.port import LoadedInstance
from dalsegno.persistence.reader_port import MailReader, PeopleReader
from dalsegno.rehearsal import (
    HasActivity,
    NewerHistoryError,
    Outlook,
    Rehearsed,
    WorkflowHistory,
    bounded,
    open_runs,
    rehearse,
    rehearse_state,
    unread,
)

EXAMPLES = 5
"""Of each type and outlook, that are told one by one."""
PROGRESS_SECONDS = 0.5


def rehearse_all(
    modules: Sequence[str],
    *,
    database: str,
    data_converter: str | None,
    interceptors: Sequence[str] | None = None,
    workflow_types: Sequence[str],
    sample: int | None,
    elsewhere: Sequence[str],
    run_seconds: float,
    histories: Sequence[Path],
    as_json: bool,
) -> None:
    """Of the runs that are open in the database, or of `histories`. Ends by typer.Exit unless all fit."""
    given = _given(histories)
    with ExitStack() as stack:
        store = None if given else stack.enter_context(closing(checked_store(database)))
        seed = _seed_of(given) if store is None else str(store.namespace().hash_seed)
        if os.environ.get("PYTHONHASHSEED") != seed:
            again = [*modules, "--run-seconds", str(run_seconds)]
            again += [part for name in workflow_types for part in ("--type", name)]
            again += [] if sample is None else ["--sample", str(sample)]
            again += [part for name in elsewhere for part in ("--elsewhere", name)]
            again += [part for path in histories for part in ("--history", str(path))]
            again += [*converter_flags(data_converter, interceptors), *(["--json"] if as_json else [])]
            _begin_again_with(seed, again, database)
        loaded = code.load(modules, warn=False)
        activities = local_activities_in(loaded)
        registry = WorkflowRegistry(
            [(cls, None) for cls in code.workflows_in(loaded)],
            data_converter=code.data_converter(data_converter),
            local_activities=activities,
            interceptors=code.interceptors(interceptors),
        )
        has_activity = None if activities is None else _has_activity(activities, elsewhere)
        if has_activity is None:
            complain(
                "whether there are the activities that workflows wait for is not looked at: these modules have "
                "none, or several of one name"
            )
        tally: Counter[tuple[str, Outlook]] = Counter()
        misfits: list[Rehearsed] = []
        if store is None:
            rehearsed = _rehearsed_histories(given, registry, has_activity, seconds=run_seconds)
        else:
            lists = stack.enter_context(closing(store.people_reader()))
            loads = stack.enter_context(closing(store.reader()))
            rehearsed = _rehearsed(
                lists, loads, registry, has_activity, workflow_types, sample=sample, seconds=run_seconds
            )
        for one in _showing_progress(rehearsed):
            tally[one.workflow_type, one.outlook] += 1
            if not one.fits:
                misfits.append(one)
                if as_json:
                    print_json(vars(one))
    if as_json:
        print_json({"open": tally.total(), "fit": tally.total() - len(misfits)})
    else:
        _say(tally, misfits)
    if misfits:
        raise typer.Exit(FAILED)


def _given(files: Sequence[Path]) -> list[WorkflowHistory]:
    try:
        histories = [WorkflowHistory.from_file(file) for file in files]
        for history in histories:
            history.state()
    except NewerHistoryError as error:
        raise NewerRowsError(str(error)) from error
    return histories


def _seed_of(histories: Sequence[WorkflowHistory]) -> str:
    seeds = {history.hash_seed for history in histories}
    if len(seeds) > 1:
        raise ConfigurationError(
            "These histories are of several namespaces, whose sets iterate in other orders: give those of one."
        )
    (seed,) = seeds
    return "0" if seed is None else str(seed)


def _begin_again_with(hash_seed: str, arguments: Sequence[str], database: str) -> NoReturn:
    """As a program whose sets iterate as those of all hosts of the namespace do."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "DALSEGNO_DATABASE": database}
    command = program("upgrade", ["check", *arguments])
    os.execve(command[0], command, environment)


def _has_activity(activities: Registry, elsewhere: Sequence[str]) -> HasActivity:
    def has_activity(name: str, is_local: bool) -> bool:
        return activities.find(name) is not None or (name in elsewhere and not is_local)

    return has_activity


def _rehearsed(
    lists: PeopleReader,
    loads: MailReader,
    registry: WorkflowRegistry,
    has_activity: HasActivity | None,
    workflow_types: Sequence[str],
    *,
    sample: int | None,
    seconds: float,
) -> Iterator[Rehearsed]:
    for run, stored in open_runs(lists, loads, workflow_types=workflow_types, sample=sample):
        if not isinstance(stored, LoadedInstance):
            yield unread(run, stored)
            continue
        try:
            with _bounded(seconds, run.workflow_id, run.workflow_type):
                one = rehearse(stored, registry, has_activity=has_activity)
        except UnloadableStateError as error:
            one = unread(run, error)
        if one is not None:
            yield one


def _rehearsed_histories(
    histories: Sequence[WorkflowHistory],
    registry: WorkflowRegistry,
    has_activity: HasActivity | None,
    *,
    seconds: float,
) -> Iterator[Rehearsed]:
    for history in histories:
        with _bounded(seconds, history.workflow_id, history.workflow_type):
            one = rehearse_state(history.state(), registry, has_activity=has_activity)
        yield one


def _bounded(seconds: float, workflow_id: str, workflow_type: str) -> AbstractContextManager[None]:
    def loops(where: str) -> NoReturn:
        print(
            f"dalsegno: the code of workflow {plain(workflow_id)} ({plain(workflow_type)}) has run for "
            f"{seconds:g} s without an end{plain(where)}: under this code its hosts would be killed for it.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(FAILED)

    return bounded(seconds, loops, lambda: os._exit(INTERRUPTED))


def _showing_progress(rehearsed: Iterator[Rehearsed]) -> Iterator[Rehearsed]:
    """One line on a terminal, overwritten now and then; nothing anywhere else."""
    shows, following, count = sys.stderr.isatty(), time.monotonic() + PROGRESS_SECONDS, 0
    for count, one in enumerate(rehearsed, 1):
        if shows and time.monotonic() >= following:
            following = time.monotonic() + PROGRESS_SECONDS
            print(f"\r\x1b[K{count:,} workflows rehearsed", end="", file=sys.stderr, flush=True)
        yield one
    if shows and count:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _say(tally: Counter[tuple[str, Outlook]], misfits: Sequence[Rehearsed]) -> None:
    if not tally:
        print("No workflow is open.")
        return
    types = sorted({workflow_type for workflow_type, _ in tally})
    rows = []
    for workflow_type in types:
        of_type = {outlook: count for (name, outlook), count in tally.items() if name == workflow_type}
        fits = of_type.pop(Outlook.FITS, 0)
        others = ", ".join(f"{count:,} {outlook.value}" for outlook, count in sorted(of_type.items()))
        rows.append((plain(workflow_type), f"{fits + sum(of_type.values()):,}", f"{fits:,}", others))
    table(("type", "open", "fit", "others"), rows)
    told: Counter[tuple[str, Outlook]] = Counter()
    for one in misfits:
        told[one.workflow_type, one.outlook] += 1
        if told[one.workflow_type, one.outlook] <= EXAMPLES:
            suspended = " (suspended now)" if one.is_suspended else ""
            print(f"\n{plain(one.workflow_id)}: {one.outlook.value}{suspended}\n    {plain(one.reason)}")
    more = sum(max(0, count - EXAMPLES) for count in told.values())
    if more:
        print(f"\nand {more:,} more like these: --json tells all of them")
