"""The README tells the truth: its code runs, its links lead somewhere, its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.shell import ROOT, Shell

README = (ROOT / "README.md").read_text()
HELLO = ROOT / "examples" / "hello"


def test_its_code_is_that_of_the_example() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    assert code == (HELLO / "signup.py").read_text()


@pytest.mark.parametrize("page", ["README.md", "docs/cli.md", "CONTRIBUTING.md"])
def test_its_links_lead_to_files(page: str) -> None:
    path = ROOT / page

    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_its_scripts_exist_and_can_be_run() -> None:
    named = set(re.findall(r"script/\w+", README))

    assert {"script/demo", "script/test"} <= named
    assert [name for name in named if not (ROOT / name).stat().st_mode & 0o111 and name != "script/setup"] == []


def test_its_example_runs_as_it_says(folder: Path) -> None:
    (folder / "signup.py").write_text((HELLO / "signup.py").read_text())
    shell = Shell(folder, DALSEGNO_TIMEOUT="60")
    with shell.start("dev", "signup") as dev:
        dev.wait_ready("host", "worker")

        client = subprocess.run(
            [sys.executable, "signup.py"],
            cwd=folder,
            env=shell.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert (client.stdout, client.stderr) == ("welcome\n", "")
        listed = shell.run("workflow", "list", "--json").document
        assert (listed["workflow_id"], listed["status"]) == ("signup-ann", "completed")
        mails = [line for line in dev.out.splitlines() if line.startswith("to ann@example.com: ")]
        assert [mail.partition(": ")[2] for mail in mails] == ["Is this your address?", "Welcome!"]
