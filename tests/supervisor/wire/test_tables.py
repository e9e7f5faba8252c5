"""The tables of the wire leave nothing out: what a room says is read, and what it sends leaves."""

from __future__ import annotations

from typing import get_type_hints

import pytest

from dalsegno.actors.supervisor.deliveries.intake import CHANGES_STATE
from dalsegno.actors.supervisor.wire import activities, incidents, others, queries, runs, signals, updates
from dalsegno.actors.supervisor.wire.translate import COMMANDS, FORMS
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.effects import DurableEffect, Effect
from dalsegno.broker.protocol import messages as wire
from tests.workflow_actor.run.test_tables import every

ROOMS = (runs, signals, queries, updates, activities, incidents, others)
FOR_WORKFLOWS = frozenset(
    (wire.StartWorkflow, *every(wire.StartWorkflow), *every(wire.ToWorkflow), *every(wire.ToResults))
)


def test_whatever_is_sent_to_a_workflow_asks_something_of_it() -> None:
    assert COMMANDS.keys() == FOR_WORKFLOWS


def test_whatever_a_workflow_sends_has_a_form_and_what_need_not_be_outstanding_an_id_by_its_cause() -> None:
    assert FORMS.keys() == every(Effect)
    transient = {effect for effect in FORMS if not issubclass(effect, DurableEffect)}
    assert transient <= {effect for effect, form in FORMS.items() if form.transient_id is not None}


def test_no_two_rooms_speak_of_the_same_message() -> None:
    commands = [message for room in ROOMS for message in room.COMMANDS]
    effects = [effect for room in (runs, updates, activities, others) for effect in room.FORMS]
    assert len(commands) == len(COMMANDS)
    assert len(effects) == len(FORMS)


def test_each_is_translated_by_what_is_written_for_it() -> None:
    for message, to_command in COMMANDS.items():
        assert message in get_type_hints(to_command).values(), f"{to_command} is not for {message.__name__}"


@pytest.mark.parametrize("message", list(COMMANDS))
def test_what_changes_state_at_a_client_s_word_is_known_again(message: type[wire.WireMessage]) -> None:
    asked = get_type_hints(COMMANDS[message])["return"]
    assert issubclass(asked, Command | AwaitOutcome)
    assert issubclass(asked, CHANGES_STATE) == issubclass(message, wire.StartWorkflow | wire.ToChangeWorkflow)
