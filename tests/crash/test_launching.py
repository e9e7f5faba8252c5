"""Points are around the production code, which knows of none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.crash.crossing import Crossing, Manner, Page
from tests.crash.launch import CRASH_AT
from tests.crash.points import POINTS, number_of
from tests.servers import wait_until
from tests.system.stack import ROOT

PRODUCT = ["actors", "broker", "cli", "client", "persistence", "sdk", "verification", "workers"]


def test_no_module_of_the_product_knows_of_crash_points() -> None:
    sources = [path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    for path in sources:
        text = path.read_text()
        assert "DALSEGNO_CRASH" not in text, path
        assert "tests." not in "".join(line for line in text.splitlines() if "import" in line), path


def test_every_point_has_a_name_and_a_number_of_its_own() -> None:
    assert len({point.name for point in POINTS}) == len({point.number for point in POINTS}) == len(POINTS)


def test_a_page_counts_the_passings_of_the_armed_point_alone(tmp_path: Path) -> None:
    page = Page.made(tmp_path / "page")
    page.arm(2, passing=3, manner=Manner.KILLED)
    crossings = [Crossing(page, number) for number in (1, 2, 3)]
    for crossing in crossings:
        crossing()
    crossings[1]()
    assert Page(tmp_path / "page").passed == 2
    assert [crossing.kills_next() for crossing in crossings] == [False, True, False]
    assert not page.has_died


@pytest.mark.parametrize(
    ("manner", "ending"), [(Manner.KILLED, -signal.SIGKILL), (Manner.ASKED_THEN_KILLED, -signal.SIGTERM)]
)
def test_a_process_dies_at_its_point_and_its_page_says_so(tmp_path: Path, manner: Manner, ending: int) -> None:
    page = Page.made(tmp_path / "page")
    page.arm(1, passing=2, manner=manner)
    code = (
        "import sys, time; from pathlib import Path; from tests.crash.crossing import Page; "
        "page = Page(Path(sys.argv[1])); page.cross(1); page.cross(1); time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "page")], cwd=ROOT, check=False)
    assert done.returncode == ending
    assert page.has_died


def test_a_process_started_with_the_page_of_a_dead_one_goes_on(tmp_path: Path) -> None:
    page = Page.made(tmp_path / "page")
    page.arm(1, passing=1, manner=Manner.KILLED)
    code = (
        "import sys; from pathlib import Path; from tests.crash.crossing import Page; "
        "Page(Path(sys.argv[1])).cross(1); print('alive')"
    )
    lives = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "page")], cwd=ROOT, check=False, capture_output=True
        ).stdout
        for _ in range(2)
    ]
    assert lives == [b"", b"alive\n"]


@pytest.mark.slow
def test_a_host_dies_where_its_environment_says_and_its_parent_starts_it_again() -> None:
    with TemporaryDirectory(prefix="dalsegno-") as folder:
        where = ["--broker", f"embedded://{folder}/b.db", "--database", f"sqlite:///{folder}/d.db"]
        command = [sys.executable, "-m", "tests.crash.launch"]
        subprocess.run([*command, "init", *where], cwd=ROOT, check=True, capture_output=True)
        log = Path(folder, "log")
        with log.open("wb") as file:
            host = subprocess.Popen(
                [*command, "host", "tests.crash.programs", *where, "--lease-ttl", "2"],
                env={**os.environ, CRASH_AT: "renewed:1"},
                cwd=ROOT,
                stdout=file,
                stderr=file,
            )
        try:
            wait_until(lambda: "ready: " in log.read_text(), 60, "the readiness of its second child")
        finally:
            host.terminate()
            host.wait()
        died = [line for line in log.read_text().splitlines() if "child_died" in line]
        assert len(died) == 1
        assert '"exit_code": -9' in died[0]


def test_every_point_is_put_around_code_that_is_there(tmp_path: Path) -> None:
    """In a process of its own, which it changes for good."""
    code = (
        "import sys; from pathlib import Path; from tests.crash.crossing import Page; "
        "from tests.crash.points import surround_production_code; "
        "surround_production_code(Page.made(Path(sys.argv[1])))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "page")], cwd=ROOT, check=True)


def test_points_keep_their_numbers_in_pages() -> None:
    assert [number_of(point) for point in POINTS] == list(range(1, len(POINTS) + 1))
