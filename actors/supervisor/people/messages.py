"""Answers of rows alone, as messages that their reader can take. Plain functions, for the people's thread."""

from __future__ import annotations

from msgspec import structs

from dalsegno.actors.supervisor.people.stored_answers import control_answer, history_page
from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import MessageTooLargeError, decode
from dalsegno.broker.protocol.messages import FindWorkflows
from dalsegno.errors import InvalidMessageError
from dalsegno.persistence.reader_port import PeopleReader

_PAGED = wire.ListWorkflows | FindWorkflows | wire.GetHistory | wire.ListDeadlines | wire.DescribeWorkflows


def stored_message(reader: PeopleReader, question: wire.WireMessage, caller: Caller) -> Message:
    """The answer; of a list as much as a message can carry: who asks goes on behind that. Raises
    CommandRejectedError for what is wrong with the question."""
    message = _carried(control_answer(reader, question), caller)
    while message is None and isinstance(question, _PAGED) and question.limit > 1:
        question = structs.replace(question, limit=question.limit // 2)
        message = _carried(control_answer(reader, question), caller)
    if message is not None:
        return message
    if isinstance(question, wire.GetHistory):
        return encoded(history_page(reader, question, in_part=True), caller)
    return encoded(control_answer(reader, question), caller)


def encoded(reply: wire.ControlReply, caller: Caller) -> Message:
    return replies.sendable(reply, caller, replies.message_id_of(caller, None, "control"))


def _carried(reply: wire.ControlReply, caller: Caller) -> Message | None:
    """None if its reader could not read it: values of workflows stand in it, which count against its limits."""
    try:
        message = replies.message(reply, caller, replies.message_id_of(caller, None, "control"))
        if reply.history:
            decode(message)
    except (MessageTooLargeError, InvalidMessageError):
        return None
    return message
