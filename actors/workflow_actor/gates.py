"""The gates before an instance: what a cause has to pass before its command is put to the instance.

`gate` looks, and the actor acts: nothing changes here, and nobody is called. A gate answers the cause without
the instance, or names what has to be done or found out before `gate` is asked again; those that bear a command
let it in.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.again import SeenCommands, asked_from_elsewhere
from dalsegno.actors.workflow_actor.blame import Struck, replay_mark_of
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause, MoreMail
from dalsegno.actors.workflow_actor.interface.commands import (
    Caller,
    ClientCommand,
    Command,
    Describe,
    ReadOnlyCommand,
    Resume,
    Start,
    Suspend,
    Terminate,
)
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.questions import waits_for_much
from dalsegno.actors.workflow_actor.run.decide import refused_unless_open
from dalsegno.actors.workflow_actor.signals.commands import SettleQuarantined, Signal
from dalsegno.actors.workflow_actor.struck_requests import may_set_aside, refusal, set_aside
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.update import stage_of

LONG_LOG = 500
"""Inputs beyond which a program is rebuilt in slices, so that its neighbours go on meanwhile."""


class Void(Struct, frozen=True):
    """It will come again by itself: this copy is dropped."""


class ReadMail(Struct, frozen=True):
    """What the database keeps behind that number is to be handled next."""

    after: int


class AnswerAgain(Struct, frozen=True):
    """It was answered before; `before` is the code that it was refused with, or nothing."""

    before: str


class TakenByAnotherRun(Struct, frozen=True):
    """It was taken before, by that run, which is not the current one any more: what came of it is told from the
    database."""

    run_id: str


class AskedFromElsewhere(Struct, frozen=True):
    """A start that came before asks for more than it did then, and is something else from now on: `name`."""

    name: str


class AboutAnotherRun(Struct, frozen=True):
    """It asks about a run that is not the current one, and is answered from the database."""


class WaitForOutcome(Struct, frozen=True):
    """It is answered when the run has ended."""

    request: AwaitOutcome


class LookUpStrikes(Struct, frozen=True):
    """Whether the start of that run has killed hosts is not known."""

    run_id: str


class LookUpAttributes(Struct, frozen=True):
    """It names search attributes that this host has not heard of: they may have been declared since it
    looked."""


class LookUpFormat(Struct, frozen=True):
    """It takes a newer stored format than this host has been told that it may write: others may have been told
    since it looked, and what one workflow has asked of another is not asked twice."""


class Refuse(Struct, frozen=True):
    """This very request has killed hosts, and would kill this one, too. `error`: a code and a text."""

    caller: Caller | None
    error: tuple[str, str]


class SuspendFirst(Struct, frozen=True):
    """It has killed hosts, and there is no room for it in the quarantine: it is recorded, and no code run."""


class RebuildInSlices(Struct, frozen=True):
    """The program comes first, and takes long; what fails meanwhile is to be blamed on `mark`."""

    mark: str


class RebuildAtOnce(Struct, frozen=True):
    """As `RebuildInSlices`, but it is quick."""

    mark: str


class BeginRun(Struct, frozen=True):
    """It begins a run, which takes the place of the one that is there, if any."""

    command: Start


class ClearStrikes(Struct, frozen=True):
    """Queries that have killed hosts are to be tried again with it."""

    command: Resume


class Pass(Struct, frozen=True):
    """Nothing is in its way."""

    command: Command


Question = ReadMail | LookUpStrikes | LookUpAttributes | LookUpFormat
"""The gates that others have to answer first."""

Gate = (
    Void
    | Question
    | AnswerAgain
    | TakenByAnotherRun
    | AskedFromElsewhere
    | AboutAnotherRun
    | WaitForOutcome
    | Refuse
    | SuspendFirst
    | RebuildInSlices
    | RebuildAtOnce
    | BeginRun
    | ClearStrikes
    | Pass
)


def gate(cause: Cause, instance: Instance, seen: SeenCommands, struck: Struck) -> Gate:
    """The first that concerns `cause`, in this order. `struck` may be of another run, which it names."""
    # First of all: for what will come again by itself nothing is to be done, not even to find something out.
    if cause.is_void:
        return Void()
    # Before its command is looked at: it has none of its own. What is behind it is newer than that mail.
    if isinstance(cause, MoreMail):
        return ReadMail(cause.after)
    # Before all that depends on how things stand now: who asks again is to hear what he heard then.
    if cause.recognisable and (before := came_before(cause, instance, seen)) is not None:
        return before
    command = cause.command
    match command:
        # Before strikes and program: those at hand are of the current run.
        case AwaitOutcome() | ReadOnlyCommand() | Update() if is_about_another_run(command, instance):
            return AboutAnotherRun()
        # Before strikes and program: no code runs for it.
        case AwaitOutcome():
            return WaitForOutcome(command)
        # Before anything is refused for it.
        case _ if instance.codec.writes < instance.codec.newest and instance.lacks_format_for(command):
            return LookUpFormat()
        # Before any code runs for it, which could kill this host, too. With a load come the strikes of the run
        # that is there: those of a run that is to begin are not among them.
        case Start() if _may_have_struck(cause, command, instance, struck):
            return LookUpStrikes(command.run_id)
        case Start() if command.search_attributes and instance.should_look_up(command):
            return LookUpAttributes()
        case Signal() if cause.name in struck.requests:
            return _struck_signal(command, struck.requests[cause.name], instance)
        case Update() | SettleQuarantined() if cause.name in struck.requests:
            if not _is_open(command, instance):
                return Pass(command)
            why = struck.requests[cause.name]
            return Refuse(command.caller, refusal(command, instance.workflow_id, why))
        case Query() | Resume() if (error := _refusal(cause, command, instance, struck)) is not None:
            return Refuse(command.caller, error)
    # Before anything has the program rebuilt at once, as the instance itself does when it needs it.
    if _takes_long_to_rebuild(cause, instance):
        return RebuildInSlices(replay_mark_of(cause, instance))
    match command:
        # Only with the program it is known whose query it is. If that is a handler that has killed hosts, it
        # comes to be refused above.
        case Query() if instance.must_rebuild_for(command):
            return RebuildAtOnce(replay_mark_of(cause, instance))
        # Last, as what is done behind these is not taken back.
        case Start() if instance.is_opened_by(command):
            return BeginRun(command)
        # The strikes of causes go when it has gone well.
        case Resume() if not struck.causes and (struck.queries or struck.requests):
            return ClearStrikes(command) if _is_open(command, instance) else Pass(command)
        case _:
            return Pass(command)


def came_before(
    cause: Cause, instance: Instance, seen: SeenCommands
) -> AnswerAgain | TakenByAnotherRun | AskedFromElsewhere | None:
    """None for one that asks for more than it did before, and for one that is new as far as is known here: if
    it is not, its commit finds that out, and writes nothing."""
    before = seen.answer_to(cause.key)
    if before is None:
        return None
    if not before and asked_from_elsewhere(cause.command, instance.state) is not None:
        name = f"workflow.start.again {cause.message_id}"
        return None if cause.name == name else AskedFromElsewhere(name)
    if not before and (run_id := taken_by(cause.command, instance)) is not None:
        return TakenByAnotherRun(run_id)
    return AnswerAgain(before)


def taken_by(command: Command | AwaitOutcome, instance: Instance) -> str | None:
    """The run that has taken an update which came before, if that is not the current one: it is named, or the
    current one, which has gone on from that, knows nothing of it."""
    if not isinstance(command, Update) or instance.state is None:
        return None
    if command.run_id is not None:
        return command.run_id if is_of_another_run(command, instance) else None
    is_known = stage_of(instance.state, command.update_id) is not None
    return None if is_known else instance.state.info.continued_run_id


def is_of_another_run(command: Command | AwaitOutcome, instance: Instance) -> bool:
    """An update that names another run than the current one. Of that alone its outcome is known; the current
    one may have another update by the same ID."""
    return isinstance(command, Update) and is_about_another_run(command, instance)


def is_about_another_run(command: AwaitOutcome | ReadOnlyCommand | Update, instance: Instance) -> bool:
    """It names a run, and there is one, and that is another, which did not go on as the current one."""
    if isinstance(command, AwaitOutcome):
        return instance.state is not None and not command.concerns(instance.state.info)
    current = instance.run_id
    return command.run_id is not None and current is not None and command.run_id != current


def _may_have_struck(cause: Cause, start: Start, instance: Instance, struck: Struck) -> bool:
    """One that comes again may have killed a host in its first step."""
    return cause.redelivered and struck.run_id != start.run_id and instance.is_opened_by(start)


def _struck_signal(signal: Signal, why: str, instance: Instance) -> Pass | SuspendFirst:
    """It has killed hosts, and its run goes on without it."""
    if not _is_open(signal, instance):
        return Pass(signal)
    return Pass(set_aside(signal, why)) if may_set_aside(instance, signal) else SuspendFirst()


def _is_open(command: ClientCommand, instance: Instance) -> bool:
    """The run that it is for. Of another its own answer says so, and no code runs."""
    return refused_unless_open(instance.state, instance.workflow_id, command.run_id) is None


def _refusal(
    cause: Cause, command: Query | Resume, instance: Instance, struck: Struck
) -> tuple[str, str] | None:
    if isinstance(command, Query):
        return struck.refusal(command, instance)
    if (reason := struck.causes.get(cause.name)) is None:
        return None
    return "rejected", f"workflow {instance.workflow_id!r} stays suspended: {reason}"


def _takes_long_to_rebuild(cause: Cause, instance: Instance) -> bool:
    state = instance.state
    if state is None or not state.log.full:  # as nearly always: it is not even a chunk long
        return False
    if isinstance(cause.command, Suspend | Terminate):  # they keep the code from running
        return False
    if isinstance(cause.command, Describe) and waits_for_much(state):  # it leaves the code alone
        return False
    return len(state.log) > LONG_LOG and not instance.has_program
