"""What lists find a run by, beside its journal: in either database."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.attributes.declared import DeclaredAttributes
from dalsegno.actors.workflow_actor.attributes.intents import UpsertAttributes
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stand_in import KnownRun, stand_in
from dalsegno.persistence.port import Writer
from dalsegno.persistence.tables import run_attributes
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import AttributeValue
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type
from dalsegno.verification import AuditReader, Finding, Invariant, Scope, verify
from dalsegno.verification.attributes import attributes
from dalsegno.verification.rows import AttributeRow
from tests.verification.conftest import opened
from tests.verification.stored import Stored
from tests.workflow_actor.rig import T0, Rig, ScriptedCode

VALUES: dict[str, AttributeValue] = {
    "Customer": AttributeValue(Type.KEYWORD, "anna"),
    "Due": AttributeValue(Type.DATETIME, T0),
    "Paid": AttributeValue(Type.BOOL, False),
    "Remark": AttributeValue(Type.TEXT, "by letter"),
    "Tags": AttributeValue(Type.KEYWORD_LIST, ("a", "b", "c")),
    "Total": AttributeValue(Type.INT, 7),
    "Weight": AttributeValue(Type.DOUBLE, 0.1),
}


def labelled() -> Stored:
    """A run that has one of each, and has taken some back."""
    tags = AttributeValue(Type.KEYWORD_LIST, ("a",))
    changes: list[dict[str, AttributeValue | None]] = [{**VALUES}, {"Remark": None, "Tags": tags}]
    rig = Rig(ScriptedCode([[UpsertAttributes(attributes=one)] for one in changes]))
    rig.instance.declared = DeclaredAttributes({name: value.type for name, value in VALUES.items()})
    stored = Stored(rig)
    rig.start()
    rig.send(Signal(name="poke"))
    return stored


def found_in(url: str) -> list[Finding]:
    findings: list[Finding] = []
    with closing(AuditReader(url, batch=2_000)) as reader:
        verify(reader, Scope(), on_finding=findings.append)
    return findings


def _of(name: str, ordinal: int = 0) -> sa.ColumnElement[bool]:
    return sa.and_(run_attributes.c.name == name, run_attributes.c.ordinal == ordinal)


def test_a_run_that_is_found_by_what_it_has_is_sound(empty_url: str, writer: Writer) -> None:
    labelled().commit_to(writer)
    with opened(empty_url) as connection:
        rows = sa.select(sa.func.count()).select_from(run_attributes)
        assert connection.scalar(rows) == len(VALUES) + 2
    assert found_in(empty_url) == []


def test_what_was_removed_from_the_namespace_and_declared_anew_is_no_finding(
    empty_url: str, writer: Writer
) -> None:
    labelled().commit_to(writer)
    with opened(empty_url) as connection:
        connection.execute(sa.delete(run_attributes).where(run_attributes.c.name == "Total"))
    assert found_in(empty_url) == []


def test_a_run_that_was_ended_unread_stays_to_be_found_by_what_it_had() -> None:
    (page,) = labelled().pages()
    head = replace(page.head, attributes=(AttributeRow("Total", 0, (T0, None, 7, None, None)),))
    known = KnownRun(run_id=head.run_id, status=WorkflowStatus.TERMINATED, closed_at=T0)
    state = stand_in("w", known, reason="", now=T0, retry_at=T0, fingerprint="", python="3.11")
    assert list(attributes(head, state)) == []


@pytest.mark.parametrize(
    ("where", "values"),
    [
        (_of("Total"), {"int_value": 8}),
        (_of("Paid"), {"int_value": 1}),
        (_of("Weight"), {"double_value": 0.2}),
        (_of("Remark"), {"text_value": "by letter"}),
        (_of("Tags", 1), {"keyword_value": "b"}),
        (_of("Customer"), {"begun_at": T0 + 1}),
        (_of("Customer"), {"name": "Incidents", "keyword_value": None, "int_value": 1}),
    ],
    ids=["int", "bool", "double", "taken back", "shorter list", "age", "incidents"],
)
def test_a_row_that_says_otherwise_is_found(
    empty_url: str, writer: Writer, where: Any, values: dict[str, Any]
) -> None:
    labelled().commit_to(writer)
    with opened(empty_url) as connection:
        connection.execute(sa.update(run_attributes).where(where).values(**values))
    (finding,) = found_in(empty_url)
    assert (finding.invariant, finding.workflow_id) == (Invariant.VISIBILITY, "w")
    assert "letter" not in finding.text, "a payload was shown"
