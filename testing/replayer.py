"""Code is run again with the histories of workflows: does it want what was wanted then?

async def test_running_orders_go_on_with_this_code() -> None:
    replayer = Replayer(workflows=[Order])
    await replayer.replay_workflow(WorkflowHistory.from_file("order-17.json"))
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from dalsegno.data_converter import DataConverter, required
from dalsegno.errors import ConfigurationError, DalsegnoError, NondeterminismError
from dalsegno.interceptors.worker import WorkerInterceptor, worker_interceptors
from dalsegno.persistence import open_store
from dalsegno.rehearsal import Outlook, ReplayCode, Replaying, WorkflowHistory
from dalsegno.rehearsal.exporting import all_histories
from dalsegno.testing.worker import checked
from dalsegno.workflow import PatchActivationInput

RUN_SECONDS = 30.0


class ReplayFailedError(DalsegnoError):
    """The code does not go on with a history. `outlook` says what would become of the run, `reason` why."""

    def __init__(self, history: WorkflowHistory, outlook: Outlook, reason: str) -> None:
        super().__init__(
            f"Workflow {history.workflow_id!r} ({history.workflow_type}), run {history.run_id}: "
            f"{outlook.value}: {reason}"
        )
        self.workflow_id = history.workflow_id
        self.run_id = history.run_id
        self.outlook = outlook
        self.reason = reason


class ReplayDiffersError(ReplayFailedError, NondeterminismError):
    """The code wants something else than the history shows; the reason says where."""


@dataclass(frozen=True)
class WorkflowReplayResult:
    """`replay_failure` is None if the code fits."""

    history: WorkflowHistory
    outlook: Outlook
    reason: str = ""

    @property
    def fits(self) -> bool:
        return self.outlook is Outlook.FITS

    @property
    def replay_failure(self) -> ReplayFailedError | None:
        if self.fits:
            return None
        kind = ReplayDiffersError if self.outlook is Outlook.DIFFERS else ReplayFailedError
        return kind(self.history, self.outlook, self.reason)


@dataclass(frozen=True)
class WorkflowReplayResults:
    """Of many: how many there were, and by run ID why code does not go on with those that are here."""

    replayed: int
    replay_failures: Mapping[str, ReplayFailedError]


class Replayer:
    """Histories are replayed in a process of their own, in which the sets of the code iterate as those of the
    hosts did that have made them; with `debug_mode` in this one, where a debugger can be.

    Without `activities` it is not looked whether there are those that a run waits for. `run_seconds`: after
    which the code of one run is said to loop for ever in such a process. What `fetch_history` of an environment
    gives has no hash seed, and is replayed in this one, too.
    """

    def __init__(
        self,
        *,
        workflows: Sequence[type],
        activities: Sequence[Callable[..., Any]] = (),
        data_converter: DataConverter = DataConverter.default,
        interceptors: Sequence[WorkerInterceptor] = (),
        workflow_failure_exception_types: Sequence[type[BaseException]] = (),
        patch_activation_callback: Callable[[PatchActivationInput], bool] | None = None,
        debug_mode: bool = False,
        run_seconds: float = RUN_SECONDS,
    ) -> None:
        """`interceptors` are those of the hosts. Raises DefinitionError for what is no workflow, TypeError,
        ValueError and ConfigurationError for what cannot be."""
        if not workflows:
            raise ConfigurationError("A Replayer needs workflows: Replayer(workflows=[Order]).")
        checked(workflows, activities)
        if not run_seconds > 0:
            raise ValueError(f"run_seconds must be more than 0, not {run_seconds!r}.")
        self._code = ReplayCode(
            tuple(workflows),
            tuple(activities),
            required("data_converter", data_converter),
            tuple(workflow_failure_exception_types),
            patch_activation_callback,
            worker_interceptors(interceptors),
        )
        self._code.registry()
        self._debug_mode = debug_mode
        self._seconds = run_seconds

    async def replay_workflow(
        self, history: WorkflowHistory, *, raise_on_replay_failure: bool = True, ends_anew: bool = False
    ) -> WorkflowReplayResult:
        """With `ends_anew` the last step that code has taken is not compared: it is taken anew, and the run
        must not fail by it.

        Raises ReplayFailedError (ReplayDiffersError where code and history disagree), UnusableHistoryError and
        NewerHistoryError for a history that cannot be used, and ConfigurationError for code that another
        process cannot be given.
        """
        async with Replaying(self._code, here=self._debug_mode, seconds=self._seconds) as replaying:
            result = await _one(replaying, history, ends_anew)
        if raise_on_replay_failure and (failure := result.replay_failure) is not None:
            raise failure
        return result

    async def replay_workflows(
        self,
        histories: Iterable[WorkflowHistory] | AsyncIterable[WorkflowHistory],
        *,
        raise_on_replay_failure: bool = False,
    ) -> WorkflowReplayResults:
        """Many, one after the other. Raises as `replay_workflow`; ReplayFailedError only if asked to."""
        count, failures = 0, {}
        async with Replaying(self._code, here=self._debug_mode, seconds=self._seconds) as replaying:
            async for history in _each(histories):
                count += 1
                result = await _one(replaying, history, False)
                if (failure := result.replay_failure) is not None:
                    if raise_on_replay_failure:
                        raise failure
                    failures[history.run_id] = failure
        return WorkflowReplayResults(count, failures)


async def stored_histories(
    database: str, *, workflow_types: Sequence[str] = (), sample: int | None = None, closed: bool = False
) -> AsyncIterator[WorkflowHistory]:
    """Of the runs in a database that are open, the newest first; with `closed` of those that have ended, too.
    With `sample` so many of each type. Runs that this version cannot read are left out: `dalsegno upgrade
    check` tells them. It reads as it goes, on the caller's thread. Raises StoreUnavailableError, SchemaError
    and ConfigurationError."""
    with closing(open_store(database)) as store, closing(store.people_reader()) as reader:
        seed = store.namespace().hash_seed
        for history in all_histories(reader, seed, workflow_types=workflow_types, sample=sample, closed=closed):
            yield history


async def _one(replaying: Replaying, history: WorkflowHistory, ends_anew: bool) -> WorkflowReplayResult:
    if not isinstance(history, WorkflowHistory):
        raise TypeError(f"A WorkflowHistory is replayed, not {history!r}: WorkflowHistory.from_file(path).")
    outlook, reason = await replaying.outlook(history, ends_anew=ends_anew)
    return WorkflowReplayResult(history, outlook, reason)


async def _each(
    histories: Iterable[WorkflowHistory] | AsyncIterable[WorkflowHistory],
) -> AsyncIterator[WorkflowHistory]:
    if isinstance(histories, AsyncIterable):
        async for history in histories:
            yield history
    else:
        for history in histories:
            yield history
