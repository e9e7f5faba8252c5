"""Search attributes that a client declares, or takes back. Each of it may be done twice: its sender asks again
when the answer does not come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.broker.protocol import messages as wire
from dalsegno.errors import CommandRejectedError, ConfigurationError
from dalsegno.persistence.attributes_port import SearchAttributes


def declaration_answer(attributes: SearchAttributes, question: wire.WireMessage) -> wire.ControlReply:
    """What has changed by it. Raises CommandRejectedError, also where the tables are of a version before."""
    try:
        return DECLARATIONS[type(question)](attributes, question)
    except ConfigurationError as error:
        raise CommandRejectedError(str(error)) from None


def _declare(attributes: SearchAttributes, question: wire.DeclareSearchAttribute) -> wire.ControlReply:
    is_new = attributes.add(question.name, question.value_type)
    return wire.ControlReply(search_attributes={question.name: question.value_type} if is_new else {})


def _remove(attributes: SearchAttributes, question: wire.RemoveSearchAttribute) -> wire.ControlReply:
    declared = attributes.declared()
    if question.name not in declared:
        return wire.ControlReply()
    attributes.remove(question.name, force=question.force)
    return wire.ControlReply(search_attributes={question.name: declared[question.name]})


DECLARATIONS: dict[type, Callable[[SearchAttributes, Any], wire.ControlReply]] = {
    wire.DeclareSearchAttribute: _declare,
    wire.RemoveSearchAttribute: _remove,
}
"""What changes them, and how."""
