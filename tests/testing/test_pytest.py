"""The fixtures of `dalsegno.testing.pytest`, as users have them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
from datetime import timedelta
import pytest
from dalsegno import workflow

@workflow.defn
class Nothing:
    @workflow.run
    async def run(self):
        pass

@pytest.mark.asyncio
async def test_of_a_loop(workflow_env):
    assert workflow_env.supports_time_skipping
    await workflow_env.sleep(timedelta(days=365))

def test_plain(run_in_workflow_env):
    async def scenario(env):
        await env.sleep(3600)
        return env.supports_time_skipping
    assert run_in_workflow_env(scenario)

def test_with_options(run_in_workflow_env, workflow_env_options):
    workflow_env_options["on_suspended"] = print
    async def scenario(env):
        return await env.get_current_time()
    run_in_workflow_env(scenario)

@pytest.mark.asyncio
@pytest.mark.dalsegno_crash_everywhere(storms=0, minimum_coverage=1.0)
async def test_everywhere(workflow_env):
    async with workflow_env.worker(workflows=[Nothing]):
        assert await workflow_env.client.execute_workflow(Nothing.run, id="n-1") is None

@pytest.mark.dalsegno_crash_everywhere(storms=0)
def test_plain_everywhere(run_in_workflow_env):
    async def scenario(env):
        async with env.worker(workflows=[Nothing]):
            await env.client.execute_workflow(Nothing.run, id="n-1")
        return "done"
    assert run_in_workflow_env(scenario) == "done"
"""


def test_fixtures_give_environments_to_async_and_plain_tests(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["dalsegno.testing.pytest"]\n')
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "asyncio", "--dalsegno-environment", "time-skipping"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr
    for name in ("test_everywhere", "test_plain_everywhere"):
        assert f"test_it.py::{name}: crossed 2 points, crashed at 2 (100%)" in done.stdout, done.stdout
