"""`dalsegno workflow export`, `import` and `testcase`: a run as a file, and what can be done with one."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from textwrap import dedent, indent

from dalsegno._log import get_logger
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import NewerStateError
from dalsegno.cli import code
from dalsegno.cli.failures import NewerRowsError, complain
from dalsegno.cli.namespace import checked_store
from dalsegno.cli.output import plain, print_file
from dalsegno.data_converter import DataConverter
from dalsegno.definition import DYNAMIC_NAME, definition_of
from dalsegno.errors import CommandRejectedError, ConfigurationError
from dalsegno.payload import Payload
from dalsegno.payload_codec import PayloadContext
from dalsegno.persistence import open_database
from dalsegno.persistence.ended_runs import insert_ended_run
from dalsegno.policies import WorkflowStatus
from dalsegno.rehearsal import (
    NewerHistoryError,
    Outlook,
    Redaction,
    ReplayCode,
    Replaying,
    WorkflowHistory,
    history_of,
)
from dalsegno.rehearsal.importing import ended_run

log = get_logger()

REPLAY_SECONDS = 10.0
STANDARD_INPUT = "-"


def export(
    workflow_id: str,
    run_id: str | None,
    *,
    database: str,
    redact: Sequence[str],
    data_converter: str | None,
    output: Path | None,
) -> None:
    redaction = _redaction(workflow_id, redact, code.data_converter(data_converter))
    history = _stored(database, workflow_id, run_id, redaction)
    _say_unread(redaction)
    if output is None:
        print_file(history.to_json())
    else:
        history.to_file(output)


def import_(file: str, *, database: str) -> None:
    text = _standard_input() if file == STANDARD_INPUT else Path(file).read_bytes()
    try:
        history = WorkflowHistory.from_json(text, file if file != STANDARD_INPUT else "Standard input")
        with closing(checked_store(database)) as store:
            declared = store.search_attributes().declared()
            run = ended_run(history, store.namespace(), declared, now=time.time_ns() // 1_000)
    except NewerHistoryError as error:
        raise NewerRowsError(str(error)) from error
    insert_ended_run(open_database(database), run)
    print(
        f"Workflow {plain(history.workflow_id)}, run {plain(history.run_id)}, is there to be looked at: as a "
        f"run that has ended ({run.status.value})."
    )


def _standard_input() -> bytes:
    return b"" if sys.stdin is None else sys.stdin.buffer.read()  # who began us may have closed it


def testcase(
    workflow_id: str,
    modules: Sequence[str],
    run_id: str | None,
    *,
    database: str,
    redact: Sequence[str],
    data_converter: str | None,
    interceptors: Sequence[str] | None = None,
    folder: Path,
) -> None:
    converter, around = code.data_converter(data_converter), code.interceptors(interceptors)
    redaction = _redaction(workflow_id, redact, converter)
    history = _stored(database, workflow_id, run_id, redaction)
    if history.status not in (WorkflowStatus.SUSPENDED, WorkflowStatus.FAILED):
        raise CommandRejectedError(
            f"Workflow {workflow_id!r} is {history.status.value}: a test case is made of a run that is "
            "suspended, or has failed."
        )
    workflow = _class_for(history.workflow_type, modules)
    ends_anew = history.status is WorkflowStatus.FAILED
    slug = re.sub(r"\W+", "_", workflow_id, flags=re.ASCII).strip("_").lower() or "workflow"
    test, data = folder / f"test_{slug}.py", folder / f"{slug}.history.json"
    for file in (test, data):
        if file.exists():
            raise ConfigurationError(
                f"There is {file} already: remove it, or name another folder with --output."
            )
    history.to_file(data)
    options = _options_of_test(data_converter, interceptors)
    code_of_test = _test_of(history, slug, workflow, options, data.name, ends_anew=ends_anew)
    test.write_text(code_of_test, encoding="utf-8")
    _say_unread(redaction)
    print(f"{test}\n{data}")
    given = ReplayCode([workflow], data_converter=converter, interceptors=around)
    outlook, reason = asyncio.run(_replayed(history, given, ends_anew=ends_anew))
    if outlook is Outlook.FITS:
        why = " It may be one of the values that were replaced." if history.redacted else ""
        complain(f"the test passes with the code of these modules: it does not fail as the workflow did.{why}")
    else:
        print(f"The test fails now: {outlook.value}: {plain(reason)}")


async def _replayed(history: WorkflowHistory, given: ReplayCode, *, ends_anew: bool) -> tuple[Outlook, str]:
    async with Replaying(given, seconds=REPLAY_SECONDS) as replaying:
        return await replaying.outlook(history, ends_anew=ends_anew)


def _stored(database: str, workflow_id: str, run_id: str | None, redaction: Redaction) -> WorkflowHistory:
    with closing(checked_store(database)) as store, closing(store.people_reader()) as reader:
        try:
            return history_of(reader, store.namespace().hash_seed, workflow_id, run_id, redaction=redaction)
        except (NewerStateError, NewerHistoryError) as error:
            raise NewerRowsError(str(error)) from error


def _redaction(workflow_id: str, rules: Sequence[str], converter: DataConverter) -> Redaction:
    if not converter.is_bound:
        return Redaction(rules)
    of_workflow = converter.of_workflow(workflow_id)

    def decode(payload: Payload) -> Payload:
        found: Payload = of_workflow.from_payload(payload, Payload)
        return found

    kept, codec, context = converter._stored, converter.payload_codec, PayloadContext(workflow_id)
    return Redaction(
        rules,
        decode,
        None if kept is None else partial(kept.resolved, pieces=None),
        None if codec is None else lambda payload: codec.encode(payload, context),
    )


def _say_unread(redaction: Redaction) -> None:
    if redaction.unread:
        what = "became as many zeros" if redaction.replaces_all else "are as they are stored"
        complain(f"{redaction.unread} payloads cannot be read here (--data-converter?), and {what}.")
    if redaction.referred:
        complain(
            f"{redaction.referred} payloads lie in a payload store, and the file only refers to them: give "
            "--data-converter to have them in it."
        )


def _class_for(workflow_type: str, modules: Sequence[str]) -> type:
    workflows = code.workflows_in(code.load(modules, warn=False))
    WorkflowRegistry([(cls, None) for cls in workflows])  # of two of one type none would be the right one
    found = {definition_of(cls).name: cls for cls in workflows}
    workflow = found.get(workflow_type) or found.get(DYNAMIC_NAME)
    if workflow is None:
        raise ConfigurationError(
            f"There is no workflow {workflow_type!r} in {', '.join(modules)}: name the one that has its code."
        )
    if "<locals>" in workflow.__qualname__ or "." in workflow.__qualname__:
        raise ConfigurationError(
            f"{workflow.__module__}.{workflow.__qualname__} cannot be imported by a test: define it at the top "
            "level of its module."
        )
    return workflow


def _options_of_test(
    data_converter: str | None, interceptors: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """What the test imports for its Replayer, and how it gives that."""
    imports: list[str] = []

    def imported(place: str) -> str:
        module, _, path = place.partition(":")
        imports.append(f"from {module} import {path.partition('.')[0]}")
        return path

    given = [] if data_converter is None else [f"data_converter={imported(data_converter)}"]
    if interceptors:
        given.append(f"interceptors=[{', '.join(map(imported, interceptors))}]")
    return imports, given


def _test_of(
    history: WorkflowHistory,
    slug: str,
    workflow: type,
    also: tuple[list[str], list[str]],
    data: str,
    *,
    ends_anew: bool,
) -> str:
    what = "failed" if ends_anew else "was suspended"
    because = indent("\n".join(map(plain, (history.reason or "").splitlines())), "#     ") or "#"
    imports = {f"from {workflow.__module__} import {workflow.__qualname__}", *also[0]}
    given = ", ".join([f"workflows=[{workflow.__qualname__}]", *also[1]])
    options = ", ends_anew=True" if ends_anew else ""
    lines = "\n".join(sorted(imports))
    of = f"Workflow {plain(history.workflow_id)}, run {plain(history.run_id)}"
    head = f"""\
        # Written by `dalsegno workflow testcase`. {of},
        # {what}, and so does this test until the code is mended:
        """
    before = """\

        import asyncio
        from pathlib import Path

        from dalsegno.testing import Replayer, WorkflowHistory

        """
    test = f"""\


        def test_{slug}() -> None:
            history = WorkflowHistory.from_file(Path(__file__).with_name({json.dumps(data)}))
            replayer = Replayer({given})
            asyncio.run(replayer.replay_workflow(history{options}))
        """
    return f"{dedent(head)}{because}\n{dedent(before)}{lines}\n{dedent(test)}"
