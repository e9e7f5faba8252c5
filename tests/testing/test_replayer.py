"""Code is run again with histories: what does not go on with them is told, and where."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from msgspec.structs import replace

from dalsegno import workflow
from dalsegno.errors import ConfigurationError, DefinitionError, NondeterminismError
from dalsegno.testing import Outlook, ReplayDiffersError, Replayer, ReplayFailedError
from tests.rehearsal.replayed import (
    Other,
    Sale,
    SaleByHash,
    SaleLooping,
    SaleMended,
    SaleReordered,
    charge,
)
from tests.rehearsal.test_histories import sold

SEED = 7


async def test_code_that_wants_what_was_wanted_fits() -> None:
    async with sold() as env:
        history = await env.fetch_history("s-1")
    for cls in (Sale, SaleMended):
        result = await Replayer(workflows=[cls, Other]).replay_workflow(history)
        assert (result.fits, result.replay_failure, result.history) == (True, None, history)


async def test_code_that_wants_something_else_differs_and_it_is_told_where() -> None:
    async with sold() as env:
        history = await env.fetch_history("s-1")
    replayer = Replayer(workflows=[SaleReordered])
    with pytest.raises(ReplayDiffersError, match=r"wants 'activity 1 ship' at .*'activity 1 charge'") as raised:
        await replayer.replay_workflow(history)
    assert isinstance(raised.value, NondeterminismError)
    assert (raised.value.workflow_id, raised.value.run_id) == ("s-1", history.run_id)
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert result.outlook is Outlook.DIFFERS
    assert str(result.replay_failure) == str(raised.value)


async def test_a_history_of_another_workflow_does_not_belong_to_the_code() -> None:
    async with sold() as env:
        history = await env.fetch_history("s-1")
    with pytest.raises(ReplayFailedError, match=r"no such workflow: .*no workflow 'Sale' for the task queue"):
        await Replayer(workflows=[Other]).replay_workflow(history)


async def test_a_run_that_waits_for_an_activity_needs_it_where_it_is_said_which_there_are() -> None:
    async with sold("ship") as env:
        history = await env.fetch_history("s-1")
    with pytest.raises(ReplayFailedError, match="activity is gone: it waits for activity 'ship'"):
        await Replayer(workflows=[Sale], activities=[charge]).replay_workflow(history)


async def test_a_suspended_run_fails_as_it_did_until_its_code_is_mended() -> None:
    async with sold("break") as env:
        history = await env.fetch_history("s-1")
    assert history.status == "suspended"
    with pytest.raises(ReplayFailedError, match=r"fails: KeyError: 'break'") as raised:
        await Replayer(workflows=[Sale]).replay_workflow(history)
    assert raised.value.outlook is Outlook.BUG
    assert (await Replayer(workflows=[SaleMended]).replay_workflow(history)).fits


async def test_the_last_step_of_a_run_that_failed_may_be_taken_anew() -> None:
    async with sold("fail") as env:
        history = await env.fetch_history("s-1")
    assert history.status == "failed"
    as_it_was = Replayer(workflows=[Sale])
    assert (await as_it_was.replay_workflow(history)).fits
    with pytest.raises(
        ReplayFailedError, match="fails the run: ApplicationError: Ann Miller will not have it, at"
    ):
        await as_it_was.replay_workflow(history, ends_anew=True)
    mended = Replayer(workflows=[SaleMended])
    with pytest.raises(ReplayDiffersError, match="its history shows 'fail'"):
        await mended.replay_workflow(history)
    assert (await mended.replay_workflow(history, ends_anew=True)).fits
    with pytest.raises(ReplayDiffersError):
        await Replayer(workflows=[SaleReordered]).replay_workflow(history, ends_anew=True)


def hash_under_seed() -> str:
    shown = [sys.executable, "-c", "print(hash('a'))"]
    environment = {"PYTHONHASHSEED": str(SEED)}
    return subprocess.run(shown, env=environment, capture_output=True, text=True, check=True).stdout.strip()


async def test_the_code_runs_with_the_hash_seed_of_the_hosts() -> None:
    async with sold() as env:
        history = replace(await env.fetch_history("s-1"), hash_seed=SEED)
    results = await Replayer(workflows=[SaleByHash]).replay_workflows([history, history])
    assert results.replayed == 2
    assert f"wants 'activity 1 seeded {hash_under_seed()}'" in str(results.replay_failures[history.run_id])


async def test_the_hash_seed_counts_where_python_does_not_look_at_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with sold() as env:
        history = replace(await env.fetch_history("s-1"), hash_seed=SEED)
    isolated = [sys.executable, "-I", "-c", "", "--multiprocessing-fork"]
    monkeypatch.setattr("multiprocessing.spawn.get_command_line", lambda: isolated)
    with pytest.raises(ReplayDiffersError, match=f"wants 'activity 1 seeded {hash_under_seed()}'"):
        await Replayer(workflows=[SaleByHash]).replay_workflow(history)


async def test_code_that_loops_is_told_and_others_are_replayed_behind_it() -> None:
    async with sold() as env:
        history = replace(await env.fetch_history("s-1"), hash_seed=SEED)
    replayer = Replayer(workflows=[SaleLooping], run_seconds=0.2)
    with pytest.raises(
        ReplayFailedError, match=r"loops for ever: .* for 0.2 s without an end, at .*replayed.py"
    ):
        await replayer.replay_workflows([history], raise_on_replay_failure=True)


async def test_a_process_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sold() as env:
        history = replace(await env.fetch_history("s-1"), hash_seed=SEED)
    monkeypatch.setattr("dalsegno.rehearsal.process.BEGIN_SECONDS", 0.0)
    with pytest.raises(ReplayFailedError, match=r"loops for ever: after 0.001 s there is no answer: its code"):
        await Replayer(workflows=[Sale], run_seconds=0.001).replay_workflow(history)


async def test_code_that_another_process_cannot_import_is_replayed_in_debug_mode() -> None:
    @workflow.defn(name="Sale")
    class Local(Sale):
        @workflow.run
        async def run(self, order: Any) -> None:
            await workflow.execute_activity("charge", order)
            await workflow.wait_condition(lambda: False)

    async with sold() as env:
        history = replace(await env.fetch_history("s-1"), hash_seed=SEED)
    with pytest.raises(ConfigurationError, match=r"at the top level of a module.*debug_mode=True"):
        await Replayer(workflows=[Local]).replay_workflow(history)
    assert (await Replayer(workflows=[Local], debug_mode=True).replay_workflow(history)).fits


@pytest.mark.parametrize(
    ("options", "kind", "why"),
    [
        ({"workflows": []}, ConfigurationError, "A Replayer needs workflows"),
        ({"workflows": [int]}, DefinitionError, "not a workflow"),
        ({"workflows": [Sale, SaleMended]}, DefinitionError, "are both workflow 'Sale'"),
        ({"workflows": [Sale], "run_seconds": 0}, ValueError, "run_seconds must be more than 0"),
        ({"workflows": [Sale], "data_converter": 5}, TypeError, "data_converter"),
    ],
)
def test_what_cannot_be_replayed_with_is_refused(options: Any, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why):
        Replayer(**options)


async def test_what_is_no_history_is_refused() -> None:
    with pytest.raises(TypeError, match="A WorkflowHistory is replayed"):
        await Replayer(workflows=[Sale]).replay_workflow("s-1")  # type: ignore[arg-type]
