"""An imported run is there to be looked at: as one that is over, which no host goes on with."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import pytest
from msgspec.structs import replace

from dalsegno import SearchAttributeKey
from dalsegno.actors.workflow_actor.run.events import RunStarted
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.errors import CommandRejectedError, ConfigurationError, WorkflowClosedError, WorkflowFailedError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence import ended_runs, open_database, open_store
from dalsegno.persistence.ended_runs import insert_ended_run
from dalsegno.persistence.port import InstanceWrite, Namespace
from dalsegno.policies import WorkflowStatus
from dalsegno.rehearsal import UnusableHistoryError, WorkflowHistory, history_of
from dalsegno.rehearsal.importing import ended_run
from dalsegno.testing import Replayer, WorkflowEnvironment, mocked
from dalsegno.verification.reader import AuditReader
from dalsegno.verification.verify import Scope, verify
from tests.rehearsal.replayed import Order, Sale, charge, ship
from tests.rehearsal.test_histories import sold

CUSTOMER = SearchAttributeKey.for_keyword("Customer")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """The URL of a namespace with nothing in it."""
    on_postgres = request.param == "postgres"
    url: str = request.getfixturevalue("postgres_url") if on_postgres else f"sqlite:///{tmp_path}/looks.db"
    with closing(open_store(url)) as store:
        store.migrate(partitions=2)
        store.membership().ask_format(CODEC.newest)
        store.search_attributes().add(CUSTOMER.name, CUSTOMER.indexed_value_type)
    return url


def imported(url: str, history: WorkflowHistory) -> None:
    with closing(open_store(url)) as store:
        declared = store.search_attributes().declared()
        run = ended_run(history, store.namespace(), declared, now=time.time_ns() // 1_000)
    insert_ended_run(open_database(url), run)


def found_by_verify(url: str) -> list[Any]:
    findings: list[Any] = []
    with closing(AuditReader(url, batch=1000)) as audit:
        assert verify(audit, Scope(), on_finding=findings.append).runs > 0
    return findings


async def histories() -> dict[str, WorkflowHistory]:
    """Runs of every kind, under IDs of their own."""
    found = {}
    for name, words in (("waiting", ()), ("busy", ("ship",)), ("failed", ("fail",)), ("stuck", ("break",))):
        async with sold(*words, id_=name) as env:
            found[name] = await env.fetch_history(name)
    return found


async def test_what_is_imported_is_shown_as_what_it_was_and_is_over(database: str) -> None:
    found = await histories()
    for history in found.values():
        imported(database, history)

    assert found_by_verify(database) == []
    with closing(open_store(database)) as store, closing(store.reader()) as reader:
        slots = range(1024)
        assert reader.due(slots, before=2**62, limit=9) == []
        assert reader.suspended(slots, after="", limit=9) == reader.waiting(slots, after="", limit=9) == []
        listed = {run.workflow_id: run for run in reader.runs()[0]}
        again = {name: history_of(reader, None, name) for name in found}
    assert {name: run.status for name, run in listed.items()} == {
        "waiting": "terminated",
        "busy": "terminated",
        "failed": "failed",
        "stuck": "terminated",
    }
    assert listed["failed"].reason == "Ann Miller will not have it"
    assert "where it comes from it was suspended (KeyError: 'break'" in str(listed["stuck"].reason)
    for name, history in found.items():
        rows = [(row.sequence, row.time, row.cause) for row in again[name].journal]
        was = [(row.sequence, row.time, row.cause) for row in history.journal]
        assert rows[: len(was)] == was
        state = again[name].state()
        assert (state.is_closed, dict(state.outstanding), state.activities) == (True, {}, {})
        assert (await Replayer(workflows=[Sale]).replay_workflow(again[name])).fits


async def test_a_long_run_has_its_snapshot_and_all_that_was_kept_of_its_journal(database: str) -> None:
    async with sold(*[""] * 250, id_="long") as env:
        whole = await env.fetch_history("long")
    assert whole.snapshot is not None
    assert whole.is_whole
    assert [row.sequence for row in whole.journal] == list(range(1, whole.state().sequence + 1))
    trimmed = replace(whole, journal=tuple(row for row in whole.journal if row.sequence > 100))
    assert not trimmed.is_whole
    replayer = Replayer(workflows=[Sale])
    assert (await replayer.replay_workflows([whole, trimmed])).replay_failures == {}
    imported(database, trimmed)
    with closing(open_store(database)) as store, closing(store.people_reader()) as reader:
        again = history_of(reader, None, "long")
    assert [row.sequence for row in again.journal][: len(trimmed.journal)] == [
        row.sequence for row in trimmed.journal
    ]
    assert (await replayer.replay_workflow(again)).fits
    assert found_by_verify(database) == []


async def test_it_is_refused_where_its_workflow_is_there_and_nothing_is_changed(database: str) -> None:
    async with sold() as env:
        history = await env.fetch_history("s-1")
    imported(database, history)
    other = history_with(history, run_id="00000000-0000-0000-0000-000000000000")
    for again in (history, other):
        with pytest.raises(CommandRejectedError, match="There is a workflow 's-1' here already"):
            imported(database, again)
    with closing(open_store(database)) as store, closing(store.people_reader()) as reader:
        assert [run.run_id for run in reader.runs()[0]] == [history.run_id]


def history_with(history: WorkflowHistory, *, run_id: str) -> WorkflowHistory:
    """Of another run of the same workflow."""
    rows = []
    for row in history.journal:
        record = CODEC.decode_record(row.events)
        events = tuple(
            replace(event, info=replace(event.info, run_id=run_id)) if isinstance(event, RunStarted) else event
            for event in record.events
        )
        rows.append(replace(row, events=CODEC.encode_record(replace(record, events=events))))
    return replace(history, run_id=run_id, journal=tuple(rows))


HEARD = {"waiting": "", "busy": "ship", "failed": "fail", "stuck": ""}
"""What their code had got to know. It is asked, and changes nothing by it."""


async def test_a_host_that_has_its_code_and_its_messages_does_nothing_for_it() -> None:
    done: list[Any] = []
    mocks = [mocked(charge, done.append), mocked(ship, done.append)]
    found = await histories()
    async with await WorkflowEnvironment.start_time_skipping() as env:
        store = env._stage._store  # type: ignore[attr-defined]
        for history in found.values():
            run = ended_run(history, store.namespace(), {}, now=time.time_ns() // 1_000)
            insert_ended_run(store._database, run)
        async with env.worker(workflows=[Sale], activities=mocks):
            await env.sleep(86_400 * 100)
            for name in found:
                handle = env.client.get_workflow_handle(name)
                with pytest.raises(WorkflowClosedError):
                    await handle.signal(Sale.say, "ship")
                with pytest.raises(WorkflowClosedError):
                    await handle.resume()
                with pytest.raises(WorkflowFailedError):
                    await handle.result()
                assert (await handle.describe()).status.closed
                assert await handle.query(Sale.heard) == HEARD[name]
            await env.sleep(86_400 * 100)
            assert done == []
            await env.client.start(Sale.run, Order("Bob", 1), id="waiting")  # a run of its own, which is run
            await env.sleep(1)
    assert done == [Order("Bob", 1)]


async def test_a_namespace_of_before_and_a_history_of_nothing_are_refused() -> None:
    async with sold() as env:
        history = await env.fetch_history("s-1")
        namespace: Namespace = env._stage._store.namespace()  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="may hold stored format 2"):
        ended_run(history, replace(namespace, format_written=2), {}, now=0)
    with pytest.raises(UnusableHistoryError, match="leads to no state"):
        ended_run(replace(history, journal=()), namespace, {}, now=0)


async def test_who_imports_what_somebody_else_has_imported_just_now_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = await histories()
    async with await WorkflowEnvironment.start_time_skipping() as env:
        store = env._stage._store  # type: ignore[attr-defined]
        run = ended_run(found["failed"], store.namespace(), {}, now=time.time_ns() // 1_000)
        insert_ended_run(store._database, run)
        looked, must_be_new = iter((True,)), ended_runs._must_be_new

        def too_early(*asked: Any) -> None:
            if not next(looked, False):
                must_be_new(*asked)

        monkeypatch.setattr(ended_runs, "_must_be_new", too_early)
        with pytest.raises(CommandRejectedError, match="There is a workflow 'failed' here already"):
            insert_ended_run(store._database, run)


def test_what_a_host_would_go_on_with_is_not_written() -> None:
    for run in (a_run(WorkflowStatus.RUNNING, None), a_run(WorkflowStatus.COMPLETED, 5)):
        with pytest.raises(ValueError, match="only a run that has ended, and that nothing wakes"):
            insert_ended_run(open_database("sqlite:///nowhere.db"), run)


def a_run(status: WorkflowStatus, wake_at: int | None) -> InstanceWrite:
    return InstanceWrite(
        workflow_id="w",
        slot=0,
        partition=PartitionID(1, 0),
        expected_run_id=None,
        expected_sequence=0,
        run_id="r",
        sequence=1,
        status=status,
        wake_at=wake_at,
    )
