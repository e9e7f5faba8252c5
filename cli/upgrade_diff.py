"""`dalsegno upgrade diff` and `inventory`: what changes with a deployment, as far as definitions tell."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import typer

from dalsegno.actors.workflow_actor.stored.codec import UnloadableStateError
from dalsegno.actors.workflow_actor.stored.loading import load_state
from dalsegno.cli import code
from dalsegno.cli.failures import DONE, FAILED
from dalsegno.cli.namespace import checked_store
from dalsegno.cli.output import plain, print_file, print_json
from dalsegno.cli.serving import program
from dalsegno.definition import definition_of
from dalsegno.errors import ConfigurationError
from dalsegno.persistence.port import LoadedInstance
from dalsegno.rehearsal import open_runs
from dalsegno.rehearsal.difference import Change, difference
from dalsegno.rehearsal.inventory import FORMAT, Inventory, inventory_of
from dalsegno.rehearsal.rehearse import awaited_activities

EXAMPLES = 3
"""Of workflows that have something in use, that are named."""
SECONDS = 120.0
"""For all that modules do when they are imported."""


class Side(NamedTuple):
    """Modules in a folder; or what `upgrade inventory` has written of some."""

    folder: Path
    modules: tuple[str, ...]
    file: Path | None = None


class InUse(NamedTuple):
    """Of open workflows: how many there are, and some."""

    many: int
    examples: tuple[str, ...]


def inventory(modules: Sequence[str], *, output: Path | None) -> None:
    loaded = code.load(modules, warn=False)
    workflows = [definition_of(cls) for cls in code.workflows_in(loaded)]
    found = inventory_of(workflows, code.activities_in(loaded, may_be_none=True))
    text = msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n"
    if output is None:
        print_file(text)
    else:
        output.write_text(text, encoding="utf-8")


def diff(old: str, new: str, *, database: str | None, as_json: bool) -> None:
    """Ends by typer.Exit if something breaks."""
    before, after = _side(old), _side(new)
    before = before if before.modules or before.file else before._replace(modules=after.modules)
    after = after if after.modules or after.file else after._replace(modules=before.modules)
    changes = list(difference(_inventory(before), _inventory(after)))
    gone = {change.subject for change in changes if change.what == "is gone"}
    used = {} if database is None or not gone else _in_use(database, gone)
    told = [_with_use(change, used, is_known=database is not None) for change in changes]
    if as_json:
        for change in told:
            print_json(msgspec.structs.asdict(change))
    else:
        _say(told)
    if any(change.breaks for change in told):
        raise typer.Exit(FAILED)


def _side(text: str) -> Side:
    if text.endswith(".json"):
        return Side(Path(), (), Path(text))
    folder, _, modules = text.rpartition(":")
    if not folder and (os.sep in text or text in (os.curdir, os.pardir)):  # no name of a module
        folder, modules = text, ""
    place = Path(folder or ".")
    if not place.is_dir():
        raise ConfigurationError(
            f"There is no folder {place.absolute()}: give FOLDER:MODULES, MODULES or FILE.json."
        )
    return Side(place, tuple(filter(None, modules.split(","))))


def _inventory(side: Side) -> Inventory:
    if side.file is not None:
        return _read(side.file)
    if not side.modules:
        raise ConfigurationError("Name modules on one side at least: FOLDER:shop.orders,shop.billing.")
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "inventory.json"
        # A process of its own: modules of two checkouts have the same names.
        try:
            done = subprocess.run(
                program("upgrade", ["inventory", *side.modules, "--output", str(written)]),
                cwd=side.folder,
                env={name: value for name, value in os.environ.items() if name != "DALSEGNO_MODULES"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="backslashreplace",  # modules may print anything
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            named = ", ".join(side.modules)
            raise ConfigurationError(
                f"In {side.folder.absolute()}: to import {named} takes more than {SECONDS:g} s."
            ) from error
        if done.returncode != DONE or not written.exists():
            said = done.stderr.strip().splitlines() or [
                f"what was imported has ended the process, with {done.returncode}"
            ]
            raise ConfigurationError(f"In {side.folder.absolute()}: {said[-1].removeprefix('dalsegno: ')}")
        return _read(written)


def _read(file: Path) -> Inventory:
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Inventory)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(
            f"{file} is not what `dalsegno upgrade inventory` writes, or of another version: write it again."
        ) from error
    if found.dalsegno_inventory != FORMAT:
        raise ConfigurationError(
            f"{file} is an inventory of format {found.dalsegno_inventory}, and this version of dalsegno reads "
            f"format {FORMAT}: write it again with this one."
        )
    return found


def _in_use(database: str, gone: set[str]) -> dict[str, InUse]:
    """By what is gone, the open workflows that are of it, or wait for it."""
    counts: dict[str, int] = defaultdict(int)
    examples: dict[str, list[str]] = defaultdict(list)

    def note(subject: str, workflow_id: str) -> None:
        if subject in gone:
            counts[subject] += 1
            if len(examples[subject]) < EXAMPLES:
                examples[subject].append(workflow_id)

    with (
        closing(checked_store(database)) as store,
        closing(store.people_reader()) as lists,
        closing(store.reader()) as loads,
    ):
        for run, stored in open_runs(lists, loads):
            note(f"workflow {run.workflow_type}", run.workflow_id)
            for name in _awaited(stored) if isinstance(stored, LoadedInstance) else ():
                note(f"activity {name}", run.workflow_id)
    return {subject: InUse(count, tuple(examples[subject])) for subject, count in counts.items()}


def _awaited(stored: LoadedInstance) -> set[str]:
    """Nothing of what cannot be read: `upgrade check` says that."""
    at = stored.snapshot
    try:
        state = load_state(
            stored.workflow_id,
            stored.run_id,
            None if at is None else (at.sequence, at.format, at.checksum, at.body),
            [(row.run_id, row.sequence, row.time, row.events) for row in stored.journal],
        )
    except UnloadableStateError:
        return set()
    return {name for name, _ in awaited_activities(state)}


def _with_use(change: Change, used: Mapping[str, InUse], *, is_known: bool) -> Change:
    if change.what != "is gone" or not is_known:
        return change
    use = used.get(change.subject)
    if use is None:
        return Change(change.subject, f"{change.what}; no open workflow {_needs(change)} now")
    named = ", ".join(use.examples) + (", ..." if use.many > len(use.examples) else "")
    many = f"{use.many:,} open workflow{'s' if use.many > 1 else ''}"
    return Change(change.subject, f"{change.what}, and {many} {_needs(change, use.many)}: {named}", breaks=True)


def _needs(change: Change, count: int = 1) -> str:
    if change.subject.startswith("workflow "):
        return "is of it" if count == 1 else "are of it"
    return "waits for it" if count == 1 else "wait for it"


def _say(changes: Sequence[Change]) -> None:
    if not changes:
        print("Nothing that is defined has changed.")
    for breaks, title in ((True, "Breaks:"), (False, "Also changed:")):
        found = [change for change in changes if change.breaks is breaks]
        if found:
            print(title)
            for change in found:
                print(f"  {plain(change.subject)}: {plain(change.what)}")
