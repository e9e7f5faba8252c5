"""The fixtures of `dalsegno.testing.pytest`, as users have them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
from datetime import timedelta
import pytest

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
    assert "3 passed" in done.stdout, done.stdout + done.stderr
