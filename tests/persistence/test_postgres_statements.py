"""The statements and parameters of the hot path on PostgreSQL."""

from __future__ import annotations

import random
import re
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.persistence.database import Role
from dalsegno.persistence.postgres import _ANSWERS, _TAILS, Postgres
from dalsegno.persistence.postgres_arrays import (
    ENCODING_ERRORS,
    bigint_array,
    bytes_array,
    register,
    text_array,
)
from dalsegno.persistence.postgres_writer import statement
from dalsegno.persistence.rows import Part
from dalsegno.persistence.store import SqlStore
from dalsegno.persistence.url import parse_url

pytestmark = pytest.mark.postgres

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
BIGINT = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture(scope="module")
def connection(shared_database: str) -> Any:
    with psycopg.connect(shared_database, autocommit=True) as connection:
        register(connection)
        yield connection


@given(
    texts=st.lists(st.none() | TEXT),
    numbers=st.lists(st.none() | BIGINT),
    blobs=st.lists(st.none() | st.binary()),
)
def test_packed_columns_arrive_as_they_were(
    connection: psycopg.Connection[Any],
    texts: list[str | None],
    numbers: list[int | None],
    blobs: list[bytes | None],
) -> None:
    query = "SELECT %s::text[], %s::bigint[], %s::bytea[]"
    arrays = (text_array(texts), bigint_array(numbers), bytes_array(blobs))
    assert connection.execute(query, arrays, binary=True).fetchone() == (texts, numbers, blobs)


def test_what_a_column_cannot_hold_is_an_encoding_error() -> None:
    for attempt in (
        lambda: text_array(["\ud800"]),
        lambda: bigint_array([2**63]),
        lambda: bigint_array([None, -(2**63) - 1]),
    ):
        with pytest.raises(ENCODING_ERRORS):
            attempt()


def test_plans_made_on_empty_tables_read_by_index_alone(postgres_schema_url: str) -> None:
    database = Postgres(parse_url(postgres_schema_url))
    SqlStore(database).migrate(partitions=16)
    combinations = [
        tuple(Part),
        *((part,) for part in Part if part in (Part.CREATED, Part.UPDATED, Part.REFUSED)),
    ]
    writer = database.engine(Role.WRITER).connect()
    driver: Any = writer.connection.driver_connection
    for parts in combinations:
        text = statement(parts)
        count = max(map(int, re.findall(r"\$(\d+)", text)))
        nulls = ", ".join(["NULL"] * count)
        driver.execute("DEALLOCATE ALL")
        driver.execute(f"PREPARE hot AS {text}")
        plan = "\n".join(row[0] for row in driver.execute(f"EXPLAIN EXECUTE hot({nulls})"))
        assert "Seq Scan" not in plan
        assert "Hash Join" not in plan
        assert "Merge Join" not in plan
        assert "Materialize" not in plan
        if Part.UPDATED in parts:
            assert "Index Scan using instances_pkey" in plan
    writer.close()


def test_loads_read_behind_the_snapshot_and_no_more_answers_than_wanted_by_index_alone(
    postgres_schema_url: str,
) -> None:
    database = Postgres(parse_url(postgres_schema_url))
    SqlStore(database).migrate(partitions=16)
    loads = {
        "(text[], bigint)": _ANSWERS.replace(":ids", "$1").replace(":most", "$2"),
        "(text[], bigint[])": _TAILS.replace(":ids", "$1").replace(":after", "$2"),
    }
    with database.engine(Role.READER).connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("SET plan_cache_mode = force_generic_plan")
        for types, text in loads.items():
            driver.execute("DEALLOCATE ALL")
            driver.execute(f"PREPARE load {types} AS {text}")
            plan = "\n".join(row[0] for row in driver.execute("EXPLAIN EXECUTE load(NULL, NULL)"))
            assert "Seq Scan" not in plan, plan
            assert "Hash Join" not in plan, plan


def test_every_combination_of_parts_is_a_statement_that_postgresql_understands(
    postgres_schema_url: str,
) -> None:
    database = Postgres(parse_url(postgres_schema_url))
    SqlStore(database).migrate(partitions=1)
    instances = [(Part.CREATED,), (Part.UPDATED,), (Part.CREATED, Part.UPDATED)]
    others = [part for part in Part if part not in (Part.CREATED, Part.UPDATED)]
    rng = random.Random(7)
    writer = database.engine(Role.WRITER).connect()
    driver: Any = writer.connection.driver_connection
    for _ in range(60):
        chosen = {*rng.choice(instances), *rng.sample(others, rng.randrange(len(others)))}
        driver.execute("DEALLOCATE ALL")
        driver.execute(f"PREPARE hot AS {statement(tuple(part for part in Part if part in chosen))}")
    writer.close()
