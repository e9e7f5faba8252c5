"""Fixtures for pytest. In the conftest.py at the root: `pytest_plugins = ["dalsegno.testing.pytest"]`.

    async def test_an_order(workflow_env): ...                   # with pytest-asyncio, or anyio on asyncio

    def test_an_order_without_either(run_in_workflow_env):
        async def scenario(env): ...
        assert run_in_workflow_env(scenario) == ...

`pytest --dalsegno-environment local` runs them in real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

import pytest

from dalsegno.testing.environment import WorkflowEnvironment

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

TIME_SKIPPING = "time-skipping"
LOCAL = "local"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("dalsegno").addoption(
        "--dalsegno-environment",
        choices=(TIME_SKIPPING, LOCAL),
        default=TIME_SKIPPING,
        help="Whether time is skipped in the fixtures' environments, or is real (default: %(default)s).",
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
    pytestconfig: pytest.Config, workflow_env_options: dict[str, Any]
) -> Callable[[Callable[[WorkflowEnvironment], Awaitable[Any]]], Any]:
    """For tests that are no coroutines: runs one with an environment of its own, on a loop of its own."""

    async def with_environment(scenario: Callable[[WorkflowEnvironment], Awaitable[T]]) -> T:
        async with await _started(pytestconfig, workflow_env_options) as environment:
            return await scenario(environment)

    return lambda scenario: asyncio.run(with_environment(scenario))
