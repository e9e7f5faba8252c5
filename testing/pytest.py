"""Fixtures for pytest. In the conftest.py at the root: `pytest_plugins = ["dalsegno.testing.pytest"]`.

    async def test_an_order(workflow_env): ...                   # with pytest-asyncio, or anyio on asyncio

    def test_an_order_without_either(run_in_workflow_env):
        async def scenario(env): ...
        assert run_in_workflow_env(scenario) == ...

`pytest --dalsegno-environment local` runs them in real time.

    @pytest.mark.dalsegno_crash_everywhere(minimum_coverage=1.0)
    async def test_an_order(workflow_env): ...

is run again and again, and disturbed wherever it can be (`crash_everywhere`).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

import pytest

from dalsegno.errors import ConfigurationError
from dalsegno.testing.crash_sweep import CrashReport, crash_everywhere
from dalsegno.testing.environment import WorkflowEnvironment

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

TIME_SKIPPING = "time-skipping"
LOCAL = "local"
CRASH_EVERYWHERE = "dalsegno_crash_everywhere"
ENVIRONMENT = "workflow_env"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("dalsegno").addoption(
        "--dalsegno-environment",
        choices=(TIME_SKIPPING, LOCAL),
        default=TIME_SKIPPING,
        help="Whether time is skipped in the fixtures' environments, or is real (default: %(default)s).",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{CRASH_EVERYWHERE}(seed=0, minimum_coverage=0.0, ...): run the test again and again, and disturb it "
        "wherever it can be; the arguments are those of dalsegno.testing.crash_everywhere",
    )


@pytest.fixture
def workflow_env_options() -> dict[str, Any]:
    """What the environments of this package's fixtures are started with. Override it where yours need more."""
    return {}


async def _started(config: pytest.Config, options: dict[str, Any]) -> WorkflowEnvironment:
    if config.getoption("--dalsegno-environment") == LOCAL:
        return await WorkflowEnvironment.start_local(**options)
    return await WorkflowEnvironment.start_time_skipping(**options)


def async_fixture(function: F) -> F:
    """pytest-asyncio wants its own, where it is installed; anyio takes those of pytest itself."""
    try:
        from pytest_asyncio import fixture
    except ImportError:
        return cast(F, pytest.fixture(function))
    return cast(F, fixture(function))


@async_fixture
async def workflow_env(
    pytestconfig: pytest.Config, workflow_env_options: dict[str, Any]
) -> AsyncIterator[WorkflowEnvironment]:
    """An environment of the test's own, on its loop."""
    async with await _started(pytestconfig, workflow_env_options) as environment:
        yield environment


@pytest.fixture
def run_in_workflow_env(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, workflow_env_options: dict[str, Any]
) -> Callable[[Callable[[WorkflowEnvironment], Awaitable[Any]]], Any]:
    """For tests that are no coroutines: runs one with an environment of its own, on a loop of its own."""

    marker = request.node.get_closest_marker(CRASH_EVERYWHERE)

    async def with_environment(scenario: Callable[[WorkflowEnvironment], Awaitable[T]]) -> T:
        if marker is not None:
            return await _crashed_everywhere(request.node, marker, scenario, workflow_env_options)
        async with await _started(pytestconfig, workflow_env_options) as environment:
            return await scenario(environment)

    return lambda scenario: asyncio.run(with_environment(scenario))


# --- crash_everywhere ----------------------------------------------------------------------------------------


def pytest_itemcollected(item: pytest.Item) -> None:
    """A marked coroutine is called with an environment of its own each time, in the place of its fixture's."""
    marker = item.get_closest_marker(CRASH_EVERYWHERE)
    if marker is None or not isinstance(item, pytest.Function):
        return
    test = item.obj
    if not inspect.iscoroutinefunction(test):
        return  # `run_in_workflow_env` sees to it
    if ENVIRONMENT not in inspect.signature(test).parameters:
        raise ConfigurationError(
            f"{item.nodeid} is marked with {CRASH_EVERYWHERE}, so it needs the fixture {ENVIRONMENT}."
        )

    @functools.wraps(test)
    async def everywhere(**arguments: Any) -> None:
        async def scenario(environment: WorkflowEnvironment) -> None:
            await test(**{**arguments, ENVIRONMENT: environment})

        options = cast(dict[str, Any], item.funcargs["workflow_env_options"])
        await _crashed_everywhere(item, marker, scenario, options)

    item.obj = everywhere


async def _crashed_everywhere(
    item: pytest.Item,
    marker: pytest.Mark,
    scenario: Callable[[WorkflowEnvironment], Awaitable[T]],
    options: dict[str, Any],
) -> T:
    """What the first run has come to."""
    results: list[T] = []

    async def noted(environment: WorkflowEnvironment) -> None:
        results.append(await scenario(environment))

    report: CrashReport = await crash_everywhere(noted, **marker.kwargs, **options)
    item.user_properties.append((CRASH_EVERYWHERE, str(report)))
    return results[0]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How far marked tests have gone."""
    lines = [
        f"{report.nodeid}: {value}"
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == CRASH_EVERYWHERE
    ]
    if lines:
        terminalreporter.section("dalsegno: crash-point coverage")
        for line in lines:
            terminalreporter.write_line(line)
