"""The parent process with real children; its clock is the test's, unless it runs in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from dalsegno.actors.supervisor.parent.child import ChildSpec
from dalsegno.actors.supervisor.parent.parent import CONFIGURATION_ERROR, KILLED
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Membership, Store
from dalsegno.persistence.reader_port import Reader
from tests.servers import wait_until
from tests.supervisor.parent.children import spec
from tests.supervisor.parent.supervision import SECONDS, Supervise, Supervision, join, live


@pytest.mark.parametrize("behaviour", ["loop", "block"])
def test_a_child_whose_code_does_not_yield_is_struck_killed_and_started_anew(
    supervise: Supervise, table: Membership, reader: Reader, behaviour: str
) -> None:
    supervision = supervise(spec(behaviour))
    child = supervision.child
    first_id, first = child.host_id, child.process
    assert first is not None
    join(table, first_id)
    supervision.wait_for_code()

    with capture_logs() as logs:
        wait_until(lambda: supervision.look() is not None or child.process is not first, SECONDS, "the kill")

    assert first.returncode == -signal.SIGKILL
    assert ["children.py" in entry["at"] for entry in logs if entry["event"] == "child_killed"] == [True]
    assert reader.strikes(["run-1"]) == {("run-1", "poison @code"): 1}
    assert live(table) == []
    assert child.is_alive()
    assert child.host_id != first_id
    supervision.wait_for_code()
    second = child.process
    wait_until(lambda: supervision.look() is not None or child.process is not second, SECONDS, "another")
    assert reader.strikes(["run-1"]) == {("run-1", "poison @code"): 2}


def test_a_child_that_is_stopped_is_not_blamed(supervise: Supervise, table: Membership, reader: Reader) -> None:
    supervision = supervise(spec("loop"))
    process = supervision.process
    join(table, supervision.child.host_id)
    supervision.wait_for_code()
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(
        lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, SECONDS, "the stop of the child"
    )

    for _ in range(200):
        supervision.look()

    assert supervision.child.process is process
    assert supervision.child.is_alive()
    assert reader.strikes(["run-1"]) == {}
    assert live(table) == [supervision.child.host_id]


def test_when_the_parent_was_frozen_too_nobody_is_blamed(
    supervise: Supervise, table: Membership, reader: Reader
) -> None:
    supervision = supervise(spec("block"))
    process = supervision.process
    supervision.wait_for_code()

    for _ in range(20):
        supervision.look(after=5.0)

    assert supervision.child.process is process
    assert reader.strikes(["run-1"]) == {}


def test_a_loop_that_is_silent_without_user_code_is_killed_after_a_minute_without_a_strike(
    supervise: Supervise, table: Membership
) -> None:
    supervision = supervise(spec("hang"))
    process = supervision.process
    join(table, supervision.child.host_id)
    wait_until(lambda: supervision.child.pulse.read().beats == 1, SECONDS, "the beat")

    for _ in range(119):
        supervision.look()
    assert supervision.child.process is process
    for _ in range(2):
        supervision.look()

    assert process.returncode == -signal.SIGKILL
    assert supervision.pause() == pytest.approx(1.0, abs=0.5)
    assert live(table) == []


def test_a_child_that_imports_for_long_is_told_of_and_killed_only_when_its_patience_is_over(
    supervise: Supervise, notes: Path
) -> None:
    supervision = supervise(spec("import", str(notes)))
    process = supervision.process
    wait_until(notes.exists, SECONDS, "the child's start")

    with capture_logs() as logs:
        for _ in range(1198):
            supervision.look()
        assert supervision.child.process is process
        for _ in range(4):
            supervision.look()

    assert process.returncode == -signal.SIGKILL
    told = [entry["reason"] for entry in logs if entry["event"] == "child_starts_slowly"]
    assert told[0] == "it has been importing for 60 s"
    assert [entry["reason"] for entry in logs if entry["event"] == "child_killed"] == [
        "it has been importing for 600 s"
    ]


@pytest.mark.parametrize("how", ["die in code", "look refused in code"])
def test_a_child_that_dies_in_user_code_is_struck_as_well_whatever_its_exit_code(
    supervise: Supervise, table: Membership, reader: Reader, how: str
) -> None:
    supervision = supervise(spec(how))
    join(table, supervision.child.host_id)

    supervision.end_of_child()

    assert reader.strikes(["run-1"]) == {("run-1", "poison @code"): 1}
    assert live(table) == []
    assert supervision.pause() == 1.0


def test_a_child_that_ends_well_is_started_again_and_blames_nobody(
    supervise: Supervise, table: Membership, reader: Reader
) -> None:
    supervision = supervise(spec("leave in code"))

    supervision.end_of_child()
    assert supervision.pause() == 1.0
    supervision.look(after=1.0)

    assert supervision.child.process is not None
    assert reader.strikes(["run-1"]) == {}


def test_no_strike_is_written_against_no_run(supervise: Supervise, table: Membership, reader: Reader) -> None:
    supervision = supervise(spec("die of a start"))

    with capture_logs() as logs:
        supervision.end_of_child()

    assert reader.strikes([""]) == {}
    assert "strike_without_run" in [entry["event"] for entry in logs]


def test_the_row_that_is_deleted_is_that_of_the_id_under_which_the_child_had_joined_last(
    supervise: Supervise, table: Membership
) -> None:
    supervision = supervise(spec("rejoin and die"))
    first_id = supervision.child.host_id
    join(table, first_id)
    join(table, f"{first_id}-again")

    supervision.end_of_child()

    assert live(table) == [first_id]


def test_restarts_back_off_and_beyond_their_intensity_the_pause_is_a_minute(supervise: Supervise) -> None:
    supervision = supervise(spec("die in code"))
    pauses = []
    with capture_logs() as logs:
        for _ in range(6):
            supervision.end_of_child()
            pauses.append(supervision.pause())
            supervision.look(after=supervision.pause() - 0.1)
            assert supervision.child.process is None
            supervision.look(after=0.1)

    assert pauses == pytest.approx([1, 2, 4, 8, 16, 60])
    assert [entry["event"] for entry in logs].count("restart_intensity_exceeded") == 1


def test_a_command_that_is_not_there_is_tried_again_later(supervise: Supervise) -> None:
    missing = ChildSpec(name="missing", command=lambda launch: ["/nowhere/dalsegno"], is_host=True)

    with capture_logs() as logs:
        supervision = supervise(missing)

    assert supervision.pause() == 1.0
    assert "child_not_started" in [entry["event"] for entry in logs]


def test_without_a_database_the_child_is_killed_and_started_again_with_a_pause(
    supervise: Supervise, supervisions: list[Supervision], tmp_path: Path
) -> None:
    unreachable = open_store(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    supervision = Supervision(unreachable, spec("block"))
    supervisions.append(supervision)
    process = supervision.process
    supervision.wait_for_code()

    with capture_logs() as logs:
        wait_until(
            lambda: supervision.look() is not None or supervision.child.process is None, SECONDS, "the kill"
        )

    assert process.returncode == -signal.SIGKILL
    assert supervision.pause() == 1.0
    assert {"strike_not_written", "host_row_not_deleted"} <= {entry["event"] for entry in logs}


def test_children_get_the_hash_seed_of_the_namespace_and_what_their_spec_says(
    supervise: Supervise, notes: Path
) -> None:
    supervise(spec("environment", str(notes), is_host=False, environment={"EXTRA": "yes"}))

    wait_until(lambda: notes.exists() and notes.read_text().endswith("\n"), SECONDS, "the note")

    assert notes.read_text() == "42 yes\n"


def test_a_child_that_is_no_host_is_only_restarted(
    supervise: Supervise, table: Membership, reader: Reader
) -> None:
    supervision = supervise(spec("die in code", is_host=False))

    supervision.end_of_child()

    assert reader.strikes(["run-1"]) == {}
    assert supervision.pause() == 1.0


# --- in a process of its own -----------------------------------------------------------------------------

RUN = """
import sys
from dalsegno.actors.supervisor.parent.parent import Parent, ParentSettings
from dalsegno.persistence import open_store
from tests.supervisor.parent.children import spec
from tests.supervisor.parent.supervision import SECONDS, Supervise, Supervision, join, live

url, notes, stop_seconds, *behaviours = sys.argv[1:]
specs = [spec(name, url if name == "serve" else notes, processes=2) for name in behaviours]
settings = ParentSettings(stop_seconds=float(stop_seconds))
sys.exit(Parent(specs, membership=open_store(url).membership, hash_seed=1, settings=settings).run())
"""


class ParentProcess:
    def __init__(self, url: str, notes: Path, *behaviours: str, stop_seconds: float = 30.0) -> None:
        arguments = [url, str(notes), str(stop_seconds), *behaviours]
        self.process = subprocess.Popen([sys.executable, "-c", RUN, *arguments])
        self.notes = notes
        self._children: list[psutil.Process] = []

    def children(self, count: int) -> list[psutil.Process]:
        """Its children, as soon as there are so many."""

        def there() -> bool:
            self._children = psutil.Process(self.process.pid).children()
            return len(self._children) == count

        wait_until(there, SECONDS, f"{count} children")
        return self._children

    def noted(self, count: int) -> list[str]:
        wait_until(
            lambda: self.notes.exists() and self.notes.read_text().count("\n") >= count, SECONDS, "the notes"
        )
        return self.notes.read_text().splitlines()

    def clean_up(self) -> None:
        if self.process.poll() is None:
            self._children = psutil.Process(self.process.pid).children() or self._children
            self.process.kill()
            self.process.wait()
        for child in self._children:
            if child.is_running():
                child.kill()


StartParent = Callable[..., ParentProcess]


@pytest.fixture
def parents(tmp_path: Path, store: Store, notes: Path) -> Iterator[StartParent]:
    started: list[ParentProcess] = []

    def start(*behaviours: str, stop_seconds: float = 30.0) -> ParentProcess:
        url = f"sqlite:///{tmp_path / 'store.db'}"
        started.append(ParentProcess(url, notes, *behaviours, stop_seconds=stop_seconds))
        return started[-1]

    yield start
    for parent in started:
        parent.clean_up()


@pytest.mark.parametrize("asked_by", [signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_is_asked_to_stop_lets_its_children_drain(
    parents: StartParent, asked_by: signal.Signals
) -> None:
    parent = parents("beat")
    assert parent.noted(2) == ["ready"] * 2

    parent.process.send_signal(asked_by)

    assert parent.process.wait(SECONDS) == 0
    assert parent.noted(4) == ["ready"] * 2 + ["drained"] * 2


def test_a_child_that_does_not_stop_is_killed_when_its_time_is_over(parents: StartParent) -> None:
    parent = parents("ignore", stop_seconds=0.5)
    children = parent.children(2)
    parent.noted(2)

    parent.process.terminate()

    assert parent.process.wait(SECONDS) == KILLED
    assert not any(child.is_running() for child in children)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_parent_that_is_asked_twice_kills_at_once(parents: StartParent, groups: int) -> None:
    parent = parents(*["ignore"] * groups, stop_seconds=3600.0)
    ready = 2 * groups
    parent.noted(ready)
    parent.process.terminate()
    assert parent.noted(ready + 2)[ready:] == ["was asked to stop"] * 2

    parent.process.terminate()

    assert parent.process.wait(SECONDS) == KILLED


def test_the_configuration_error_of_a_child_is_the_exit_code_of_the_parent(parents: StartParent) -> None:
    parent = parents("beat", "misconfigured")

    assert parent.process.wait(SECONDS) == CONFIGURATION_ERROR


def test_a_host_whose_parent_was_killed_ends_by_itself(parents: StartParent, table: Membership) -> None:
    parent = parents("serve")
    children = parent.children(2)
    wait_until(lambda: len(live(table)) == 2, SECONDS, "the joining of both hosts")

    parent.process.kill()
    parent.process.wait()

    wait_until(lambda: not any(child.is_running() for child in children), SECONDS, "the end of the orphans")
