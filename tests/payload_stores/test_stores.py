"""What all stores have to do, and what is said of what none takes."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dalsegno import FolderPayloadStore, PayloadStore, S3PayloadStore, SQLPayloadStore
from dalsegno.payload_store import key_of
from dalsegno.payload_stores import sql
from tests.payload_stores.memory import MemoryPayloadStore

DATA = bytes(range(256)) * 300
KEY = key_of(DATA)
OTHER = key_of(b"other")


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    """A server that speaks S3, in this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "folder", "sql", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PayloadStore:
    match request.param:
        case "folder":
            (tmp_path / "payloads").mkdir()
            return FolderPayloadStore(tmp_path / "payloads")
        case "sql":
            return SQLPayloadStore(f"sqlite:///{tmp_path}/payloads.db", namespace="shop")
        case "s3":
            return s3_store(request.getfixturevalue("s3_endpoint"))
    return MemoryPayloadStore()


def s3_store(endpoint: str) -> S3PayloadStore:
    import boto3

    options: dict[str, Any] = {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "id",
        "aws_secret_access_key": "secret",
    }
    boto3.client("s3", **options).create_bucket(Bucket="payloads")
    return S3PayloadStore("payloads", prefix=f"shop-{time.time_ns()}/", **options)


def test_what_was_put_is_there_until_it_is_deleted(store: PayloadStore) -> None:
    assert store.get(KEY) is None
    store.put(KEY, DATA)
    store.put(KEY, DATA)
    assert store.get(KEY) == DATA
    assert store.get(OTHER) is None
    later = time.time() + 5
    assert list(store.keys(later)) == [KEY]
    assert not list(store.keys(time.time() - 60))
    store.delete([KEY, OTHER], time.time() - 60)
    assert store.get(KEY) == DATA, "it is younger than that"
    store.delete([KEY, OTHER], later)
    assert store.get(KEY) is None
    assert not list(store.keys(later))


def test_many_keys_are_all_told(store: PayloadStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "BATCH", 10)
    put = {key_of(data): data for data in (b"%d" % number for number in range(25))}
    for key, data in put.items():
        store.put(key, data)
    assert sorted(store.keys(time.time() + 5)) == sorted(put)


@pytest.mark.parametrize(
    "make", [lambda path: FolderPayloadStore(path), lambda path: SQLPayloadStore(f"sqlite:///{path}.db")]
)
def test_processes_of_a_worker_are_given_one_by_pickle(
    make: Callable[[Path], PayloadStore], tmp_path: Path
) -> None:
    store = make(tmp_path / "payloads")
    store.put(KEY, DATA)
    assert pickle.loads(pickle.dumps(store)).get(KEY) == DATA


def test_s3_can_be_given_by_pickle_too(s3_endpoint: str) -> None:
    store = s3_store(s3_endpoint)
    store.put(KEY, DATA)
    assert pickle.loads(pickle.dumps(store)).get(KEY) == DATA


def test_two_namespaces_share_a_table_and_no_piece(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/payloads.db"
    shop, bank = SQLPayloadStore(url, namespace="shop"), SQLPayloadStore(url, namespace="bank")
    shop.put(KEY, DATA)
    assert bank.get(KEY) is None
    bank.delete([KEY], time.time() + 5)
    assert shop.get(KEY) == DATA


@pytest.mark.postgres
def test_a_table_in_postgres(postgres_url: str) -> None:
    url = f"{postgres_url.partition('?')[0]}?schema=public"
    store = SQLPayloadStore(url, namespace="shop", table=f"pieces_{time.time_ns()}")
    store.put(KEY, DATA)
    store.put(KEY, DATA)
    assert store.get(KEY) == DATA
    assert list(store.keys(time.time() + 5)) == [KEY]
    store.delete([KEY], time.time() + 5)
    assert store.get(KEY) is None
    store.close()


def test_an_error_of_a_database_shows_no_payload(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/payloads.db"
    store = SQLPayloadStore(url)
    store.put(OTHER, b"other")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE dalsegno_payloads"))
    with pytest.raises(sa.exc.OperationalError) as raised:
        store.put(KEY, b"secret")
    assert "secret" not in str(raised.value)


def test_a_file_that_was_changed_is_written_anew(tmp_path: Path) -> None:
    store = FolderPayloadStore(tmp_path)
    store.put(KEY, DATA)
    (tmp_path / KEY[:2] / KEY).write_bytes(b"x" * len(DATA))
    store.put(KEY, DATA)
    assert store.get(KEY) == DATA


def test_what_a_writer_died_of_goes_with_the_sweep(tmp_path: Path) -> None:
    store = FolderPayloadStore(tmp_path)
    store.put(KEY, DATA)
    part = tmp_path / KEY[:2] / f"{OTHER}.1234.part"
    part.write_bytes(b"half")
    assert list(store.keys(time.time() + 5)) == [KEY]
    assert not part.exists()


def test_what_is_put_while_it_is_being_deleted_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, replace = FolderPayloadStore(tmp_path), Path.replace
    store.put(KEY, DATA)
    file = tmp_path / KEY[:2] / KEY
    for puts_first in (True, False):
        os.utime(file, (1, 1))

        def put_meanwhile(self: Path, target: Path, puts_first: bool = puts_first) -> Path:
            monkeypatch.setattr(Path, "replace", replace)
            if puts_first:
                store.put(KEY, DATA)
            moved = replace(self, target)
            assert store.get(KEY) == DATA, "it can be read all the time"
            if not puts_first:
                store.put(KEY, DATA)
            return moved

        monkeypatch.setattr(Path, "replace", put_meanwhile)
        store.delete([KEY], time.time() - 1000)
        assert store.get(KEY) == DATA
        assert list(file.parent.iterdir()) == [file]


def test_what_somebody_died_of_deleting_is_brought_back(tmp_path: Path) -> None:
    store = FolderPayloadStore(tmp_path)
    store.put(KEY, DATA)
    file = tmp_path / KEY[:2] / KEY
    file.rename(f"{file}.aside")
    assert store.get(KEY) == DATA
    assert not list(store.keys(time.time() + 5))
    assert list(store.keys(time.time() + 5)) == [KEY]


def test_a_server_of_postgres_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []

    def create_engine(url: object, **options: Any) -> sa.Engine:
        made.append(options)
        raise ConnectionError

    monkeypatch.setattr(sa, "create_engine", create_engine)
    for url in ("postgresql://h/d", "postgresql+psycopg2://h/d", "postgresql+pg8000://h/d", "sqlite://"):
        with pytest.raises(ConnectionError):
            SQLPayloadStore(url).get(KEY)
    assert [options.get("connect_args", {}).get("tcp_user_timeout") for options in made] == [
        5000,
        5000,
        None,
        None,
    ]


def test_a_folder_that_is_not_mounted_has_lost_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FolderPayloadStore(tmp_path / "elsewhere").get(KEY)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: FolderPayloadStore(""), "path must be the path of a folder"),
        (lambda: SQLPayloadStore("no url: secret"), "url must be a URL as SQLAlchemy takes it"),
        (lambda: SQLPayloadStore(3), "url must be a URL as SQLAlchemy takes it, not 3"),  # type: ignore[arg-type]
        (lambda: S3PayloadStore(""), "bucket '' is empty"),
    ],
)
def test_what_cannot_be_one_is_said_at_once(make: Callable[[], object], says: str) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        make()
    assert says in str(raised.value)
    assert "secret" not in str(raised.value)
