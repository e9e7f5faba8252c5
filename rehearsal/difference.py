"""What has changed from one inventory to another, and what breaks by it: open runs begin again with the
arguments, signals, results and states that were recorded, and senders send what they sent before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from msgspec import Struct

from dalsegno.rehearsal.inventory import (
    MEMBER,
    CallShape,
    FieldShape,
    Inventory,
    ParameterShape,
    WorkflowShape,
)


class Change(Struct, frozen=True):
    """`what` is changed of `subject` ("workflow Order"). `breaks`: open runs, or who speaks with them; other
    changes are only told."""

    subject: str
    what: str
    breaks: bool = False


HANDLERS = ("signals", "updates", "queries")


def difference(old: Inventory, new: Inventory) -> Iterator[Change]:
    """In the order of names; what is gone of workflows and activities first."""
    for name in sorted(old.workflows.keys() - new.workflows.keys()):
        yield Change(f"workflow {name}", "is gone", breaks=True)
    for name in sorted(old.activities.keys() - new.activities.keys()):
        yield Change(f"activity {name}", "is gone", breaks=True)
    for name in sorted(new.workflows.keys() - old.workflows.keys()):
        yield Change(f"workflow {name}", "is new")
    for name in sorted(new.activities.keys() - old.activities.keys()):
        yield Change(f"activity {name}", "is new")
    for name in sorted(old.workflows.keys() & new.workflows.keys()):
        yield from _workflow(name, old.workflows[name], new.workflows[name])
    for name in sorted(old.activities.keys() & new.activities.keys()):
        before, after = old.activities[name], new.activities[name]
        for what, breaks in (*_call(before, after), *_result(before, after, is_recorded=True)):
            yield Change(f"activity {name}", what, breaks)


def _workflow(name: str, old: WorkflowShape, new: WorkflowShape) -> Iterator[Change]:
    subject = f"workflow {name}"
    changes = list(_call(old.run, new.run))
    is_migrated = _is_raised(old, new) and new.migrates_state
    for what, breaks in changes:
        # What was signed is migrated; what was sent with a start, before a first sign, is not.
        yield Change(subject, f"run: {what}", breaks and not is_migrated)
    for what, breaks in _result(old.run, new.run, is_recorded=True):  # by the parents of its runs
        yield Change(subject, f"run: {what}", breaks)
    yield from (Change(subject, what, breaks) for what, breaks in _state(old, new, bool(changes)))
    for kind in HANDLERS:
        before: Mapping[str, CallShape] = getattr(old, kind)
        after: Mapping[str, CallShape] = getattr(new, kind)
        one = {"signals": "signal", "updates": "update", "queries": "query"}[kind]
        for handler in sorted(before.keys() - after.keys()):
            yield Change(subject, f"{one} {handler} is gone", breaks=True)
        for handler in sorted(after.keys() - before.keys()):
            yield Change(subject, f"{one} {handler} is new")
        for handler in sorted(before.keys() & after.keys()):
            then, now = before[handler], after[handler]
            for what, breaks in (*_call(then, now), *_result(then, now, is_recorded=False)):
                yield Change(subject, f"{one} {handler}: {what}", breaks)


def _is_raised(old: WorkflowShape, new: WorkflowShape) -> bool:
    return old.state_version is not None and (new.state_version or 0) > old.state_version


def _state(old: WorkflowShape, new: WorkflowShape, is_changed: bool) -> Iterator[tuple[str, bool]]:
    before, after = old.state_version, new.state_version
    if before is None or before == after:
        if before is not None and is_changed and any(breaks for _, breaks in _call(old.run, new.run)):
            text = f"what a sign keeps has changed, and state_version is {before} as before"
            yield f"{text}: raise it, and migrate what was signed (migrate_state)", True
        return
    if after is None:
        yield "run does not take the state of a sign any more", True
    elif after < before:
        yield f"state_version goes back from {before} to {after}: what was signed cannot be read", True
    elif new.migrates_state:
        yield f"state_version goes from {before} to {after}, with a migration", False
    else:
        yield f"state_version goes from {before} to {after} without a migration: give migrate_state", True


def _call(old: CallShape, new: CallShape) -> Iterator[tuple[str, bool]]:
    """What, and whether it breaks what was sent before."""
    for number, parameter in enumerate(old.parameters):
        if number < len(new.parameters):
            yield from _parameter(parameter, new.parameters[number])
        else:
            yield f"parameter {parameter.name!r} is gone", not new.takes_rest
    for parameter in new.parameters[len(old.parameters) :]:
        must = " must be given" if parameter.is_required else ""
        yield f"parameter {parameter.name!r} is new{' and' if must else ''}{must}", parameter.is_required
    if old.takes_rest and not new.takes_rest:
        yield "it takes no more arguments than those named", True


def _result(old: CallShape, new: CallShape, *, is_recorded: bool) -> Iterator[tuple[str, bool]]:
    """`is_recorded`: code that runs again reads what was returned before, as what is returned now."""
    then, now = old.result, new.result
    if then.types != now.types:
        breaks = is_recorded and then.types != ("Any",) and not _takes(now.forms, then.forms)
        yield f"it returns {_shown(now.types)}, and returned {_shown(then.types)}", breaks
    for what, breaks in _all_fields(then, now) if then.types != ("Any",) else ():
        yield what, breaks and is_recorded


def _parameter(old: ParameterShape, new: ParameterShape) -> Iterator[tuple[str, bool]]:
    if old.types != new.types:
        text = f"parameter {new.name!r} is {_shown(new.types)}, and was {_shown(old.types)}"
        yield text, not _takes(new.forms, old.forms)
    if new.is_required and not old.is_required:
        yield f"parameter {new.name!r} must be given now", True
    yield from _all_fields(old, new)


def _all_fields(old: ParameterShape, new: ParameterShape) -> Iterator[tuple[str, bool]]:
    for path in sorted(old.fields.keys() | new.fields.keys()):
        parent = path.rpartition(".")[0]
        if not parent or (parent in old.fields and parent in new.fields):  # else that one is told
            yield from _field(new.name, path, old.fields.get(path), new.fields.get(path))


def _field(
    parameter: str, path: str, old: FieldShape | None, new: FieldShape | None
) -> Iterator[tuple[str, bool]]:
    where = f"{parameter}.{path}"
    if new is None:
        assert old is not None
        yield f"{where} is gone", old.types[0].startswith(MEMBER)
    elif old is None:
        yield f"{where} is new{' and has no default' if new.is_required else ''}", new.is_required
    elif old.types != new.types:
        text = f"{where} is {_shown(new.types)}, and was {_shown(old.types)}"
        yield text, not _takes(new.forms, old.forms)
    elif new.is_required and not old.is_required:
        yield f"{where} has no default any more", True


def _takes(new: tuple[str, ...], old: tuple[str, ...]) -> bool:
    """As far as names tell."""
    if "Any" in new or "object" in new:
        return True
    wide = Counter([*new, *(["int"] if "float" in new else [])])
    return Counter(old) <= wide


def _shown(types: tuple[str, ...]) -> str:
    return " | ".join(types)
