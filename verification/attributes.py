"""I33: what lists find a run by is what its journal's last state says."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.persistence.attribute_rows import attribute_rows
from dalsegno.persistence.attributes_port import INCIDENTS
from dalsegno.persistence.port import AttributeSet
from dalsegno.search_attributes import AttributeValue, SearchAttributeIndexedValueType
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.rows import Head


def attributes(head: Head, state: WorkflowState) -> Iterator[Violation]:
    """A row that is not there says nothing: the attribute may have been removed from the namespace, and be
    declared anew since. One that is there is the state's; but of a run that somebody has ended although it
    could not be read, whose log is empty then, nobody knows what it had."""
    if not len(state.log):
        return
    must = dict(state.attributes)
    if state.incidents:
        must[INCIDENTS] = AttributeValue(SearchAttributeIndexedValueType.INT, len(state.incidents))
    set_ = (
        AttributeSet(run_id=head.run_id, begun_at=state.info.started_at, name=name, value=value, places=1)
        for name, value in must.items()
    )
    right = {(name, ordinal): tuple(at) for _, _, name, ordinal, *at in attribute_rows(head.workflow_id, set_)}
    wrong = {row.name for row in head.attributes if right.get((row.name, row.ordinal)) != row.found_by}
    for name in sorted(wrong):
        text = f"lists find it by another {name!r} than its journal says"
        yield Violation(Invariant.VISIBILITY, None, text)
