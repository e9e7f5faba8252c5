"""Stories that a workflow may live through, made of its types by hypothesis: who tells it what, in which order,
what its activities come to. What does not end as a run should is found, and shrunk to the shortest story.

    from dalsegno.testing.exploring import explore

    def test_a_sale_ends_whatever_happens():
        explore(Sale, activities=[charge, remind])

It needs the extra `explore`.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dalsegno.activity_code.registry import Registry
from dalsegno.client import WorkflowHandle
from dalsegno.converter import Parameter, Signature
from dalsegno.data_converter import DataConverter
from dalsegno.definition import DYNAMIC_NAME, WorkflowDefinition, definition_of
from dalsegno.errors import (
    ApplicationError,
    CommandRejectedError,
    ConfigurationError,
    PayloadError,
    WorkflowFailedError,
    WorkflowUpdateFailedError,
)
from dalsegno.extras import imports_of_extras
from dalsegno.policies import Duration
from dalsegno.testing.environment import WorkflowEnvironment
from dalsegno.testing.errors import UnhandledEndError, WorkflowSuspendedError
from dalsegno.testing.mocks import mocked

with imports_of_extras():
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st
    from hypothesis.errors import InvalidArgument, ResolutionFailed

WORKFLOW_ID = "explored"
FAILURE = "Explored"
"""The type of failures that activities come to."""
PAUSES = (timedelta(minutes=1), timedelta(days=1), timedelta(days=40))


@dataclass(frozen=True, slots=True)
class SignalSent:
    name: str
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class UpdateSent:
    name: str
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TimePassed:
    time: timedelta


@dataclass(frozen=True, slots=True)
class Completed:
    """An attempt at an activity comes to this."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    non_retryable: bool


Step = SignalSent | UpdateSent | TimePassed
Outcome = Completed | Failed


@dataclass(frozen=True, slots=True)
class Story:
    """`outcomes`: by the names of activities, what their attempts come to, one after the other; the last, which
    is none that failed and may be tried again, is that of all further ones, too."""

    args: tuple[Any, ...]
    steps: tuple[Step, ...]
    outcomes: Mapping[str, tuple[Outcome, ...]]

    def has(self, name: str) -> bool:
        """Whether somebody sends the signal, or the update."""
        return any(step.name == name for step in self.steps if not isinstance(step, TimePassed))


Check = Callable[[WorkflowHandle[Any], Story], Awaitable[object]]


def explore(
    workflow: type,
    *,
    activities: Sequence[Callable[..., Any]] = (),
    children: Sequence[type] = (),
    must_end: bool | Callable[[Story], bool] | None = None,
    within: Duration = timedelta(days=1000),
    check: Check | None = None,
    steps_max: int = 6,
    examples: int = 50,
    seed: int = 0,
    data_converter: DataConverter = DataConverter.default,
) -> None:
    """Play `examples` stories, which `seed` draws. Raises UnhandledEndError, with the shortest story that is
    found, where the run is suspended; fails with what no code raises on purpose (a KeyError, say, that was
    declared to be a failure); is still open after `within` of its time, though it `must_end`; or cannot be
    cancelled then.

    `activities` are replaced. `must_end`: whether a story is one that ends; by default it is where nobody can
    tell the workflow anything. `check(handle, story)` is awaited when the run has ended, to assert more.
    It has an event loop of its own, so call it from a plain test.
    """
    definition = definition_of(workflow)
    always = not definition.signals and not definition.updates
    ends = must_end if callable(must_end) else lambda story: always if must_end is None else bool(must_end)

    @seeded(seed)
    @settings(
        max_examples=examples,
        phases=(Phase.generate, Phase.shrink),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(stories(workflow, activities, steps_max=steps_max, data_converter=data_converter))
    def play(story: Story) -> None:
        asyncio.run(_played(story))

    async def _played(story: Story) -> None:
        async with await WorkflowEnvironment.start_time_skipping(data_converter=data_converter) as environment:
            mocks = [_mock(function, story) for function in activities]
            async with environment.worker(workflows=[workflow, *children], activities=mocks):
                try:
                    await _Play(environment, definition, story).run(ends(story), within, check)
                except WorkflowSuspendedError as error:
                    raise UnhandledEndError(story, f"is suspended: {error.reason}") from error

    play()


def stories(
    workflow: type,
    activities: Sequence[Callable[..., Any]] = (),
    *,
    steps_max: int = 6,
    data_converter: DataConverter = DataConverter.default,
) -> st.SearchStrategy[Story]:
    """For tests that play them in their own way. Raises ConfigurationError for a type of which hypothesis knows
    no values (give it some by `hypothesis.strategies.register_type_strategy`)."""
    definition = definition_of(workflow)
    values = _ValuesOfTypes(data_converter)
    steps: list[st.SearchStrategy[Step]] = [st.builds(TimePassed, st.sampled_from(PAUSES))]
    for name, handler in definition.signals.items():
        if name is not None:
            steps.append(st.builds(SignalSent, st.just(name), values.arguments(handler.signature)))
    for name, handler in definition.updates.items():
        if name is not None:
            steps.append(st.builds(UpdateSent, st.just(name), values.arguments(handler.signature)))
    outcomes: dict[str, st.SearchStrategy[tuple[Outcome, ...]]] = {}
    for function in activities:
        found = _definition(function)
        completed = st.builds(Completed, values.of(found.signature.returns, f"what {found.name} returns"))
        failed = st.builds(Failed, st.booleans())
        last = st.one_of(completed, st.just(Failed(True)))
        outcomes[found.name] = st.builds(
            lambda first, last: (*first, last), st.lists(st.one_of(completed, failed), max_size=2), last
        )
    return st.builds(
        Story,
        args=st.just(()) if definition.dynamic else values.arguments(definition.run_signature),
        steps=st.lists(st.one_of(steps), max_size=steps_max).map(tuple),
        outcomes=st.fixed_dictionaries(outcomes),
    )


class _ValuesOfTypes:
    """Of the types of annotations, such as can be sent."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter.payload_converter

    def arguments(self, signature: Signature) -> st.SearchStrategy[tuple[Any, ...]]:
        return st.tuples(*(self._argument(signature.name, parameter) for parameter in signature.parameters))

    def _argument(self, name: str, parameter: Parameter) -> st.SearchStrategy[Any]:
        return self.of(parameter.type_hint, f"the argument {parameter.name} of {name}")

    def of(self, hint: Any, what: str) -> st.SearchStrategy[Any]:
        if hint is Any:
            return st.none() | st.booleans() | st.integers(-10, 10) | st.text()
        try:
            strategy = st.from_type(type(None) if hint is None else hint)
            strategy.validate()
        except (ResolutionFailed, InvalidArgument) as error:
            raise ConfigurationError(
                f"Hypothesis knows no values for {what}, of the type {hint!r}: give it some by "
                "hypothesis.strategies.register_type_strategy."
            ) from error
        return strategy.filter(lambda value: self._can_be_sent(value, hint))

    def _can_be_sent(self, value: Any, hint: Any) -> bool:
        try:
            self._converter.from_payload(self._converter.to_payload(value), hint)
        except PayloadError:
            return False
        return True


def _definition(function: Callable[..., Any]) -> Any:
    registry = Registry([function])
    (name,) = registry.names
    return registry.find(name if name != "(dynamic)" else DYNAMIC_NAME)


def _mock(function: Callable[..., Any], story: Story) -> Callable[..., Any]:
    coming = list(story.outcomes[_definition(function).name])

    async def by(*args: Any) -> Any:
        outcome = coming.pop(0) if len(coming) > 1 else coming[0]
        if isinstance(outcome, Failed):
            raise ApplicationError("It failed.", type=FAILURE, non_retryable=outcome.non_retryable)
        return outcome.result

    return mocked(function, by)


class _Play:
    def __init__(self, environment: WorkflowEnvironment, definition: WorkflowDefinition, story: Story) -> None:
        self._environment = environment
        self._definition = definition
        self._story = story

    async def run(self, must_end: bool, within: Duration, check: Check | None) -> None:
        """Raises UnhandledEndError, WorkflowSuspendedError, and what `check` raises."""
        handle = await self._environment.client.start(
            self._definition.name or "Explored", *self._story.args, id=WORKFLOW_ID
        )
        updates: list[asyncio.Task[None]] = []
        try:
            for step in self._story.steps:
                match step:
                    case SignalSent(name, args):
                        await _quietly(handle.signal(name, args=list(args)))
                    case UpdateSent(name, args):
                        updates.append(
                            asyncio.create_task(_quietly(handle.execute_update(name, args=list(args))))
                        )
                        await self._environment.sleep(0)
                    case TimePassed(time):
                        await self._environment.sleep(time)
            await self._come_to_its_end(handle, must_end, within)
        finally:
            for update in updates:
                update.cancel()
            await asyncio.gather(*updates, return_exceptions=True)
        if check is not None:
            await check(handle, self._story)

    async def _come_to_its_end(self, handle: WorkflowHandle[Any], must_end: bool, within: Duration) -> None:
        if await self._ends(handle, within):
            return
        if must_end:
            raise UnhandledEndError(
                self._story, f"is still open after {within}, though nobody is to tell it more"
            )
        await _quietly(handle.cancel())
        if not await self._ends(handle, within):
            raise UnhandledEndError(self._story, f"is still open {within} after it was cancelled")

    async def _ends(self, handle: WorkflowHandle[Any], within: Duration) -> bool:
        """Raises UnhandledEndError for an end that nobody has meant."""
        end = asyncio.create_task(handle.result())
        patience = asyncio.create_task(self._environment.sleep(within))
        try:
            await asyncio.wait({end, patience}, return_when=asyncio.FIRST_COMPLETED)
            if not end.done():
                return False
            end.result()
        except WorkflowFailedError as error:
            if _is_bug(error.__cause__):
                raise UnhandledEndError(self._story, f"fails by a bug: {error.__cause__}") from error
        finally:
            end.cancel()
            patience.cancel()
            await asyncio.gather(end, patience, return_exceptions=True)
        return True


async def _quietly(asked: Awaitable[object]) -> None:
    """The run may have ended, and its code may refuse."""
    with suppress(CommandRejectedError, WorkflowUpdateFailedError):
        await asked


def _is_bug(cause: BaseException | None) -> bool:
    """An error of a class that Python itself raises. A wait that has timed out is a failure to the engine."""
    if not isinstance(cause, ApplicationError) or cause.type == TimeoutError.__name__:
        return False
    return isinstance(getattr(builtins, cause.type or "", None), type)
