"""`dalsegno dev`: a host and a worker on files in a folder, one `dev` at a time, and anew when code changes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dalsegno.actors.supervisor.parent.parent import CONFIGURATION_ERROR, Parent
from dalsegno.actors.supervisor.parent.signals import Signals
from dalsegno.broker.embedded.location import Location
from dalsegno.cli import code, file_lock, options, serving
from dalsegno.cli.failures import DONE
from dalsegno.cli.namespace import DEV_LOCK, initialise, prepare_folders
from dalsegno.cli.output import plain, say

if TYPE_CHECKING:
    from dalsegno.actors.supervisor.parent.child import ChildSpec
    from dalsegno.cli.source_changes import SourceChanges

LOOK_SECONDS = 0.5


def develop(
    modules: Sequence[str],
    *,
    folder: str,
    task_queue: str,
    data_converter: str | None,
    interceptors: Sequence[str] | None,
    flags: Sequence[str],
    reload: bool,
) -> int:
    """Until Ctrl-C; the exit code."""
    if not reload:
        code.load(modules, warn=False)  # what is wrong is said once, before host and worker both say it
        code.data_converter(data_converter)
        code.interceptors(interceptors)
    folder = str(Path(folder))  # "" is this one, not the root
    broker, database = f"embedded:{folder}/broker.db", f"sqlite:///{folder}/dalsegno.db"
    prepare_folders(broker, database)
    _be_alone(Path(folder), broker)
    initialise(broker, database, force=True)  # we are alone: a host that seems to live has died
    _say_hello(modules, folder, broker)
    specs = [
        serving.host_spec(
            modules, broker=broker, database=database, processes=1, flags=[*flags, "--tell-news"]
        ),
        serving.worker_spec(modules, broker=broker, flags=["--task-queue", task_queue, *flags]),
    ]
    if not reload:
        return serving.supervise(specs, database=database)
    from dalsegno.cli.source_changes import SourceChanges

    with SourceChanges(Path.cwd()) as changes:
        checked = [*modules, *serving.converter_flags(data_converter, interceptors)]
        return _reloading(checked, specs, database, changes)


def _be_alone(folder: Path, broker: str) -> None:
    """Two hosts on the same files are impossible, and two workers would take each other's tasks."""
    shown = plain(folder.absolute())
    file_lock.sign(file_lock.take(folder / DEV_LOCK, what=f"Another `dalsegno dev` runs in {shown}"))
    # A host without a `dev`: of a `dalsegno host`, or the child of one that was killed, which will end.
    file = Location.of(options.embedded_file(broker))
    os.close(file_lock.take(file.lock, what=f"A host runs on {plain(file.path)}"))


def _say_hello(modules: Sequence[str], folder: str, broker: str) -> None:
    expected = os.environ.get("DALSEGNO_BROKER") or options.DEFAULT_BROKER
    where = "" if broker == expected else f" --broker {shlex.quote(broker)}"
    say(f"dalsegno runs {' '.join(modules)} on files in {folder}. Ctrl-C stops it; nothing is lost.")
    say("In another terminal of this folder:")
    say(f"    dalsegno workflow start TYPE --id ID --input JSON --follow{where}")
    say(f"    dalsegno workflow list{where}")


# --- anew with new code --------------------------------------------------------------------------------------


def _reloading(
    modules: Sequence[str], specs: Sequence[ChildSpec], database: str, changes: SourceChanges
) -> int:
    """Processes begin anew at each change that can be imported; until then those before go on, if there are
    any."""
    with Signals() as signals, closing(serving.awaited_store(database)) as store:
        hash_seed = store.namespace().hash_seed
        exit_code = DONE
        while not signals.stop_requests:
            if not _can_be_imported(modules):
                say("Waiting for the next change ...")
                _until(lambda: changes.are_there(), signals)
                _tell(changes.take())
                continue
            parent = Parent(specs, membership=store.membership, hash_seed=hash_seed)
            exit_code = parent.supervise(signals, until=lambda: _have_come(modules, changes))
            if exit_code == CONFIGURATION_ERROR and not signals.stop_requests:
                say("Waiting for the next change ...")
                _until(lambda: changes.are_there(), signals)
                _tell(changes.take())
        return exit_code


def _have_come(modules: Sequence[str], changes: SourceChanges) -> bool:
    """Whether there is new code that can be imported. Of code that cannot it is said why."""
    if not changes.are_there():
        return False
    _tell(changes.take())
    if _can_be_imported(modules):
        return True
    say("The code before goes on until the next change ...")
    return False


def _can_be_imported(modules: Sequence[str]) -> bool:
    """In a process of its own, which says what is wrong: this one cannot import again what it has imported."""
    done = subprocess.run(serving.program("check", modules), stdin=subprocess.DEVNULL, check=False)
    return done.returncode == DONE


def _until(holds: Callable[[], bool], signals: Signals) -> None:
    while not holds() and not signals.stop_requests:
        signals.wait(LOOK_SECONDS)


def _tell(names: Sequence[str]) -> None:
    if names:
        say(f"changed: {', '.join(names)}")
        sys.stdout.flush()
