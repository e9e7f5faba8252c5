"""`dalsegno payloads sweep`: what no row refers to is deleted, if it is old enough."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from dalsegno import DataConverter, FolderPayloadStore, Log, Payload
from dalsegno.cli.sweeping import Swept, swept
from dalsegno.codecs.branches import FAN_OUT
from dalsegno.errors import ConfigurationError, SchemaError, StoreUnavailableError
from dalsegno.payload_store import key_of, references_in, referring_to
from dalsegno.persistence import open_store, tables
from tests.payload_stores.memory import MemoryPayloadStore


def reference(number: int) -> bytes:
    return referring_to(Payload("json/plain", b"%d" % number))[1].data


@pytest.fixture
def database(tmp_path: Path) -> str:
    """In whose journal 250 are referred to, and in each other table one."""
    url = f"sqlite:///{tmp_path / 'dalsegno.db'}"
    store = open_store(url)
    store.migrate(partitions=1)
    store.close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        journal = {"round": 1, "cause": "", "partition": 0, "epoch": 1, "host": "", "time": 0}
        for number in range(250):
            row = {
                "run_id": f"r{number % 7}",
                "sequence": number,
                "events": b"\x91" + reference(number),
                **journal,
            }
            connection.execute(sa.insert(tables.journal).values(row))
        snapshot = {"run_id": "r", "sequence": 1, "format": 3, "checksum": b""}
        connection.execute(sa.insert(tables.snapshots).values(body=reference(1000), **snapshot))
        mail = {"workflow_id": "w", "number": 1, "slot": 0, "time": 0}
        connection.execute(sa.insert(tables.mail).values(message=reference(1001), **mail))
        connection.execute(sa.insert(tables.inbox).values(time=0, message=reference(1002)))
        run = {"run_id": "r", "workflow_id": "w", "workflow_type": "t", "task_queue": "q", "status": "running"}
        run_row = sa.insert(tables.runs).values(
            started_at=0, result=reference(1003), memo=reference(1004), **run
        )
        connection.execute(run_row)
    engine.dispose()
    return url


def test_what_nobody_refers_to_is_deleted_and_what_is_young_is_spared(database: str) -> None:
    store = MemoryPayloadStore()
    for number in [*range(250), *range(1000, 1005), 7777, 8888]:
        store.pieces[key_of(b"%d" % number)] = 100.0, b"%d" % number
    store.pieces["young"] = time.time(), b""
    converter = DataConverter(payload_store=store)
    assert swept(database, converter, before=1000, deletes=False) == Swept(kept=255, unreferred=2)
    assert len(store.pieces) == 258
    assert swept(database, converter, before=1000, deletes=True) == Swept(kept=255, unreferred=2)
    assert len(store.pieces) == 256
    assert {key_of(b"7777"), key_of(b"8888")}.isdisjoint(store.pieces)
    assert "young" in store.pieces


def test_a_store_is_not_emptied_by_the_database_of_another(database: str) -> None:
    store = MemoryPayloadStore()
    store.pieces[key_of(b"7777")] = 100.0, b"7777"
    converter = DataConverter(payload_store=store)
    assert swept(database, converter, before=1000, deletes=False) == Swept(0, 1)
    with pytest.raises(ConfigurationError, match=r"refers to nothing in the payload store.*--even-all"):
        swept(database, converter, before=1000, deletes=True)
    assert store.pieces
    for number in [*range(250), *range(1000, 1005)]:  # all that it refers to is young
        store.pieces[key_of(b"%d" % number)] = time.time(), b"%d" % number
    assert swept(database, converter, before=1000, deletes=True) == Swept(0, 1)
    store.pieces = {key_of(b"7777"): (100.0, b"7777")}
    assert swept(database, converter, before=1000, deletes=True, even_all=True) == Swept(0, 1)
    assert not store.pieces


def test_what_cannot_be_swept_is_said(database: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no payload store"):
        swept(database, DataConverter.default, before=1, deletes=True)
    (tmp_path / "payloads").write_text("a file")
    converter = DataConverter(payload_store=FolderPayloadStore(tmp_path / "payloads"))
    assert swept(database, converter, before=1, deletes=True) == Swept(0, 0)

    class Away(MemoryPayloadStore):
        def keys(self, before: float, /) -> Iterator[str]:
            raise ConnectionError("nobody answers")

    with pytest.raises(StoreUnavailableError, match=r"Away.*nobody answers"):
        swept(database, DataConverter(payload_store=Away()), before=1, deletes=True)
    with pytest.raises(SchemaError):
        swept(f"sqlite:///{tmp_path / 'other.db'}", converter, before=1, deletes=True)


def test_what_hangs_on_a_node_is_kept_and_a_node_that_is_lost_stops_it(database: str) -> None:
    store = MemoryPayloadStore()
    converter = DataConverter(payload_store=store).of_workflow("w")
    said = Log([f"{number} {'said ' * 900}" for number in range(2 * FAN_OUT**2 + 5)])
    payload = converter.at_sign().to_payload(said, Log[str])
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.inbox).values(time=0, message=b"\x91" + payload.data))
    engine.dispose()
    for number in [*range(250), *range(1000, 1005), 7777]:
        store.put(key_of(b"%d" % number), b"%d" % number)
    store.pieces = {key: (100.0, data) for key, (_, data) in store.pieces.items()}
    assert len(references_in(payload)) == 7
    kept = Swept(kept=255 + len(said) + 2 * FAN_OUT + 2, unreferred=1)
    whole = DataConverter(payload_store=store)
    assert swept(database, whole, before=1000, deletes=True) == kept
    read = DataConverter(payload_store=store).of_workflow("w").from_payload(payload, Log[str])
    assert list(read) == list(said)
    node = next(key for key, reference in references_in(payload).items() if reference.is_node)
    del store.pieces[node]
    with pytest.raises(ConfigurationError, match=rf"has lost a piece that others hang on \(key {node}\): noth"):
        swept(database, whole, before=1000, deletes=True)
