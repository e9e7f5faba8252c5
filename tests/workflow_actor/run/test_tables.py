"""Tables say which command may lead to which event, and which intent to which want. They leave nothing out."""

from __future__ import annotations

from typing import get_args, get_type_hints

from dalsegno.actors.workflow_actor.activities import intents as activities
from dalsegno.actors.workflow_actor.instance import TAKE
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.run import intents as run
from dalsegno.actors.workflow_actor.run.decide import AFTER, BEFORE, BY_THE_INSTANCE, RULES, may_lead_to
from dalsegno.actors.workflow_actor.run.events import Event, SignSet, Want
from dalsegno.actors.workflow_actor.run.intents import SetSign
from dalsegno.actors.workflow_actor.run.interpret import ENDS, WANTS
from dalsegno.actors.workflow_actor.timers import intents as timers


def every(base: type) -> set[type]:
    """The classes that are made: those that are no base of others."""
    subclasses: list[type] = base.__subclasses__()
    return {kind for subclass in subclasses for kind in every(subclass)} if subclasses else {base}


def intents() -> set[type]:
    return {
        kind
        for room in (activities, timers, run)
        for kind in vars(room).values()
        if isinstance(kind, type) and hasattr(kind, "digest")
    }


def test_every_command_has_one_rule() -> None:
    assert not RULES.keys() & BY_THE_INSTANCE.keys()
    assert {*RULES, *BY_THE_INSTANCE} == every(Command)


def test_an_instance_takes_what_it_is_said_to_take_itself() -> None:
    assert TAKE.keys() == BY_THE_INSTANCE.keys()


def test_every_event_comes_of_some_command_or_of_user_code() -> None:
    of_commands = {event for command in every(Command) for event in may_lead_to(command)}
    assert of_commands | {*BEFORE, *AFTER} == set(get_args(Event))


def test_every_intent_becomes_a_want_or_ends_the_run() -> None:
    assert not WANTS.keys() & ENDS.keys()
    assert {*WANTS, *ENDS, SetSign} == intents()


def test_every_want_comes_of_some_intent() -> None:
    assert {get_type_hints(wanted)["return"] for wanted in WANTS.values()} | {SignSet} == set(get_args(Want))


def test_each_is_decided_and_interpreted_by_what_is_written_for_it() -> None:
    written = {command: rule.decide for command, rule in RULES.items()} | WANTS | ENDS
    for asked, function in written.items():
        assert asked in get_type_hints(function).values(), f"{function.__name__} is not for {asked.__name__}"
