"""An operator may point it at production: it cannot write, holds nothing for long, and bears an outage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
import sqlalchemy as sa

from dalsegno.errors import StoreUnavailableError
from dalsegno.persistence.tables import journal
from dalsegno.verification import AuditReader, Finding, Scope, verify
from dalsegno.verification.reader import RETRIES
from tests.verification.conftest import opened


def test_nothing_can_be_written_through_its_connection(traded_url: str) -> None:
    def write(connection: sa.Connection) -> None:
        connection.execute(sa.delete(journal))

    with opened(traded_url) as connection:
        before = connection.scalar(sa.select(sa.func.count()).select_from(journal))
    reader = AuditReader(traded_url, batch=100, sleep=lambda _: None)
    with closing(reader), pytest.raises(Exception, match=r"(?i)read.?only"):
        reader._read(write)
    with opened(traded_url) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(journal)) == before


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"])
def test_a_role_that_may_only_select_is_enough(traded_url: str) -> None:
    address = sa.make_url(traded_url)
    with opened(traded_url) as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS auditor")
        connection.exec_driver_sql("CREATE ROLE auditor LOGIN PASSWORD 'auditor'")
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor")
    auditor = address.set(username="auditor", password="auditor").render_as_string(hide_password=False)
    findings: list[Finding] = []
    with closing(AuditReader(auditor, batch=100)) as reader:
        summary = verify(reader, Scope(), on_finding=findings.append)
    with opened(traded_url) as connection:
        connection.exec_driver_sql("DROP OWNED BY auditor")
        connection.exec_driver_sql("DROP ROLE auditor")
    assert findings == []
    assert summary.rows > 100


def failing(times: int) -> Callable[[sa.Connection], str]:
    """Answers after it has failed so many times."""
    left = [times]

    def body(_: sa.Connection) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise StoreUnavailableError("gone for a moment")
        return "answer"

    return body


def test_an_outage_is_waited_out_and_one_that_lasts_is_told(empty_url: str) -> None:
    slept: list[float] = []
    with closing(AuditReader(empty_url, batch=100, sleep=slept.append)) as reader:
        assert reader._read(failing(len(RETRIES))) == "answer"
        assert slept == list(RETRIES)
        with pytest.raises(StoreUnavailableError):
            reader._read(failing(len(RETRIES) + 1))


def test_a_batch_bounds_what_one_transaction_reads(traded_url: str) -> None:
    with closing(AuditReader(traded_url, batch=10)) as reader:
        with opened(traded_url) as connection:
            run_id = connection.scalar(
                sa.select(journal.c.run_id).group_by(journal.c.run_id).order_by(sa.func.count().desc()).limit(1)
            )
        page = reader.page(run_id or "")
        assert page is not None
        assert len(page.rows) == 10
        assert not page.is_last
