"""What user code may read of the payload store in the activation to come: it is fetched before, for a step
never waits."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.activities.commands import OutsideHeartbeat
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.commands import Command, Describe, Resume, Settle, Start
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.payload_store import StoredReference, references_in

RUNS_NO_CODE = frozenset((Describe, Settle, OutsideHeartbeat))


def payloads_needed(command: Command, instance: Instance, *, now: int) -> dict[str, StoredReference]:
    """What the command says, inputs that were not run, and all that the program was given where that has to be
    built anew. Nothing where no code runs."""
    state = instance.state
    if type(command) in RUNS_NO_CODE:
        return {}
    is_asked = isinstance(command, Query)
    if state is None or (state.is_closed and not is_asked):
        return references_in(command)
    suspension = state.suspension
    if (
        suspension is not None
        and not (is_asked or isinstance(command, Resume | Start))
        and not instance.code_retries.is_due(suspension, now=now, fingerprint=instance.fingerprint)
    ):
        return {}
    if instance.live.program is not None:
        return references_in(
            command, [state.log[index].input for index in range(state.processed, len(state.log))]
        )
    return references_in(command, state.info, state.signed, state.memo, [entry.input for entry in state.log])
