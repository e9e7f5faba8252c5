"""What the run method is entered with: the arguments of its start, or the state of a sign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dalsegno.actors.workflow_actor.program.code_error import code_error
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from dalsegno.converter import decode_args, dynamic_args
from dalsegno.data_converter import DataConverter
from dalsegno.definition import WorkflowDefinition
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload
from dalsegno.signed_state import restore


def start_args(definition: WorkflowDefinition, args: Sequence[Payload], converter: DataConverter) -> list[Any]:
    """Raises PayloadError, in words for people, for those that it cannot take."""
    signature = definition.run_signature
    try:
        if definition.dynamic:
            return [dynamic_args(signature.parameters[0].type_hint, args, converter)]
        return decode_args(signature, args, converter)
    except PayloadError as error:
        raise PayloadError(f"The workflow cannot take the arguments of its start. {error}") from None


def restored_args(definition: WorkflowDefinition, signed: SignedState, converter: DataConverter) -> list[Any]:
    """The run method's, as far as the sign has them; a start has its own. Raises WorkflowCodeError."""
    if signed.state is None:
        return []
    what = f"The state of {definition.name} at its last sign cannot be restored."
    try:
        return [restore(signed.state, signed.state_version, definition.state_hint, converter)]
    except PayloadError as error:
        raise WorkflowCodeError(f"{what} {error}") from None
    except Exception as error:  # noqa: BLE001 - migrations are user code
        raise code_error(error, what).shown(hides_messages=converter.hides_messages) from None
