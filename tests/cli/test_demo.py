"""script/demo as somebody runs it who has just cloned the repository."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.shell import ROOT, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of this checkout in a folder of their own, without what was built here."""
    folder = tmp_path_factory.mktemp("checkout") / "dalsegno"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Nothing but a home and a path; temporary files go where they can be counted."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH")}
    yield {**kept, "TMPDIR": str(tmp_path)}
    assert list(tmp_path.glob("dalsegno-demo.*")) == []


def running_in(checkout: Path) -> list[int]:
    """Processes of the checkout's own Python."""
    python = str(checkout / ".venv")
    return [p.pid for p in psutil.process_iter(["cmdline"]) if python in " ".join(p.info["cmdline"] or ())]


def test_it_shows_three_orders_and_leaves_nothing_running(checkout: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["script/demo"], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[lines.index("  happy   payment, reservation, shipment, mail") :][:3] == [
        "  happy   payment, reservation, shipment, mail",
        "  undone  payment, refund",
        "  killed  payment, reservation, shipment, mail",
    ]
    kill = next(number for number, line in enumerate(lines) if line.startswith("$ kill -9 "))
    assert [line for line in lines[kill:] if "shipment-" in line], "the killed order goes on behind the kill"
    assert running_in(checkout) == []


def test_ctrl_c_ends_it_with_all_that_it_started(checkout: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        ["script/demo"],
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        assert next((line for line in demo.stdout if re.search(r"charge #\d+ +scheduled", line)), None)

        os.killpg(demo.pid, signal.SIGINT)

        assert demo.wait(60) == 130
    until(lambda: running_in(checkout) == [], "nothing is left running")
