"""The README tells the truth: its code runs, its commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.shell import ROOT, Shell

README = (ROOT / "README.md").read_text()
HELLO = ROOT / "examples" / "hello"


def test_its_code_is_that_of_the_example() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    assert code == (HELLO / "signup.py").read_text()


def test_its_scripts_exist_and_can_be_run() -> None:
    named = set(re.findall(r"script/\w+", README))

    assert {"script/demo", "script/test"} <= named
    assert [name for name in named if not (ROOT / name).stat().st_mode & 0o111 and name != "script/setup"] == []


def commands(introduction: str) -> list[list[str]]:
    """The lines of the block of commands behind a sentence of the page, each as its words."""
    found = re.search(rf"{re.escape(introduction)}\n\n((?:    .*\n)+)", README)
    assert found is not None
    return [shlex.split(line, comments=True) for line in found[1].splitlines()]


def test_its_example_runs_as_it_says(folder: Path) -> None:
    setup, enter, (program, *dev_arguments) = commands("Run it on files of this machine:")
    others = commands("and in another terminal, after the same first two lines:")
    assert setup == [".", "script/setup"]
    assert (enter[0], ROOT / enter[1]) == ("cd", HELLO)
    assert (program, others[0]) == ("dalsegno", ["python", "signup.py"])
    (folder / "signup.py").write_text((HELLO / "signup.py").read_text())
    shell = Shell(folder, DALSEGNO_TIMEOUT="60")
    with shell.start(*dev_arguments) as dev:
        dev.wait_ready("host", "worker")

        client = shell.python("signup.py")

        assert (client.out, client.err) == ("welcome\n", "")
        for words in others[1:]:
            assert words[0] == "dalsegno"
            assert shell.run(*words[1:]).exit_code == 0, words
        listed = shell.run("workflow", "list", "--json").document
        assert (listed["workflow_id"], listed["status"]) == ("signup-ann", "completed")
        mails = [line for line in dev.out.splitlines() if line.startswith("to ann@example.com: ")]
        assert [mail.partition(": ")[2] for mail in mails] == ["Is this your address?", "Welcome!"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository of nothing but the set-up, and a `uv` that notes where and for what it was called."""
    script = tmp_path / "clone" / "script"
    script.mkdir(parents=True)
    (script / "setup").write_text((ROOT / "script" / "setup").read_text())
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(
        '#!/bin/sh\n[ "$1" = --version ] || { echo "$PWD: $*" >>"$UV_CALLS"; exit "${UV_FAILS:-0}"; }\n'
    )
    uv.chmod(0o755)
    return script.parent


def sourced(clone: Path, line: str, **settings: str) -> list[str]:
    """What a shell in another folder says of itself after a line, and then still."""
    before = 'state() { set +o; shopt -p; pwd; trap -p; declare -F; }; before="$(state)"'
    after = (
        'echo "status $?"; [ "$before" = "$(state)" ] && echo unchanged; false; echo "on the PATH: ${PATH%%:*}"'
    )
    elsewhere = clone.parent / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        ["bash", "-c", f"{before}; {line}; {after}"],
        cwd=elsewhere,
        env={
            "PATH": f"{clone.parent / 'bin'}:/usr/bin:/bin",
            "UV_CALLS": str(clone.parent / "calls"),
            "HOME": str(clone.parent),
            **settings,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(("flag", "groups"), [("", " --no-dev"), (" --dev", "")])
def test_setting_up_changes_the_path_of_a_shell_and_nothing_else(clone: Path, flag: str, groups: str) -> None:
    told = sourced(clone, f". ../clone/script/setup{flag}")

    assert told == ["status 0", "unchanged", f"on the PATH: {clone}/.venv/bin"]
    (call,) = (clone.parent / "calls").read_text().splitlines()
    assert call == f"{clone}: sync --quiet --locked --all-extras{groups} --reinstall-package dalsegno"


def test_a_set_up_that_fails_leaves_the_shell_as_it_is(clone: Path) -> None:
    told = sourced(clone, ". ../clone/script/setup", UV_FAILS="2")

    assert told == ["status 1", "unchanged", f"on the PATH: {clone.parent}/bin"]


def test_a_set_up_that_fails_ends_the_scripts_that_use_it(clone: Path) -> None:
    told = sourced(clone, "(set -e; . ../clone/script/setup; echo reached)", UV_FAILS="2")

    assert told[0] == "status 2"
    assert "reached" not in told
