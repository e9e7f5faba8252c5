"""What is built and installed elsewhere is enough for what it promises, with each extra and without."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_extras import CLIENT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[1]
FLOWS = """
from dalsegno import activity, workflow

@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"

@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name)
"""
NEEDS_CLI = 'pip install "dalsegno[cli]"'
NEEDS_HOST = 'pip install "dalsegno[host]"'

Done = subprocess.CompletedProcess[str]
Install = Callable[[str], "Installed"]


class Installed:
    """An environment that has the wheel, and a working folder that has nothing else of dalsegno."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self._bin = environment / "bin"
        self.folder = folder

    def python(self, code: str) -> Done:
        return self._run("python", "-c", code)

    def dalsegno(self, *arguments: str) -> Done:
        return self._run("dalsegno", *arguments)

    def development(self) -> subprocess.Popen[str]:
        (self.folder / "flows.py").write_text(FLOWS)
        command = [self._bin / "dalsegno", "dev", "flows"]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )

    def _run(self, program: str, *arguments: str) -> Done:
        command = [self._bin / program, *arguments]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=100, check=False
        )


@pytest.fixture(scope="module")
def wheel(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # What was built in the tree before must not be taken for what is in it now.
    source = shutil.copytree(
        ROOT, folder / "source", ignore=shutil.ignore_patterns(".*", "build", "*.egg-info")
    )
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder, source], check=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture
def install(uv: str, wheel: Path, tmp_path: Path) -> Install:
    def install(extra: str) -> Installed:
        environment, folder = tmp_path / "venv", tmp_path / "folder"
        folder.mkdir()
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        command = [uv, "pip", "install", "--quiet", "--python", environment / "bin/python", f"{wheel}{extra}"]
        subprocess.run(command, check=True)
        return Installed(environment, folder)

    return install


def test_the_base_installation_is_enough_for_clients_and_workers_and_says_what_more_needs(
    install: Install,
) -> None:
    base = install("")
    done = base.python(CLIENT)
    assert (done.stdout, done.stderr) == ("waited for amqp\nwaited for embedded\n", "")
    refused = base.python("import dalsegno.testing")
    assert NEEDS_HOST in refused.stderr
    for arguments in (["--version"], ["init"]):
        refused = base.dalsegno(*arguments)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert NEEDS_CLI in refused.stderr


def test_the_extra_of_the_command_line_is_enough_for_all_but_hosts(install: Install) -> None:
    command_line = install("[cli]")
    assert command_line.dalsegno("--version").returncode == 0
    assert command_line.dalsegno("ping", "--timeout", "0.1").returncode == 3
    refused = command_line.dalsegno("init")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert NEEDS_HOST in refused.stderr


def test_with_the_extra_of_hosts_a_workflow_runs_on_the_embedded_default(install: Install) -> None:
    host = install("[host]")
    with host.development() as development:
        try:
            start = ("workflow", "start", "Greeting", "--id", "ann", "--input", '"Ann"', "--wait")
            done = host.dalsegno(*start, "--timeout", "90")
            assert (done.returncode, done.stdout) == (0, '"Hello, Ann!"\n'), done.stderr
        finally:
            development.terminate()
    assert development.returncode == 0
