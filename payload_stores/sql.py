"""A payload store in a table of an SQL database: `pip install "dalsegno[host]"`, or SQLAlchemy and a driver."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from dalsegno import given
from dalsegno.extras import imports_of_extras

with imports_of_extras():
    import sqlalchemy as sa

SOCKET = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
"""Of libpq: a silent server is given up within some ten seconds. Seconds, but for the last (milliseconds)."""
OF_LIBPQ = frozenset({"psycopg", "psycopg2"})
BATCH = 500


class SQLPayloadStore:
    """`url` is one of SQLAlchemy's (`postgresql+psycopg://user:password@host/database`, `sqlite:///file`); the
    table is made where it is not there. `namespace` tells apart those of several namespaces in one table, and
    is a name of yours. `engine_options` go to `sqlalchemy.create_engine`.

    It may be the database of dalsegno's own tables, with its `schema=`; it shares no transaction with them."""

    def __init__(
        self, url: str, *, namespace: str = "default", table: str = "dalsegno_payloads", **engine_options: Any
    ) -> None:
        """Raises ValueError for what is no URL. Nothing is connected to before it is used."""
        if not isinstance(url, str):
            raise given.wrong_type("url", url, "a URL as SQLAlchemy takes it")
        try:
            self._url = sa.make_url(url)
        except sa.exc.ArgumentError:
            # Not shown: it may hold a password.
            raise ValueError("url must be a URL as SQLAlchemy takes it (sqlite:///file, ...).") from None
        if self._url.drivername in ("postgresql", "postgres"):
            self._url = self._url.set(drivername="postgresql+psycopg")
        schema = self._url.query.get("schema") if self._url.get_backend_name() == "postgresql" else None
        self._schema = schema if isinstance(schema, str) else None
        self._url = self._url.difference_update_query(["schema"] if self._schema is not None else [])
        self._namespace = given.name("namespace", namespace)
        self._name = given.name("table", table)
        self._options = engine_options
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._engine: sa.Engine | None = None
        self._table = sa.Table(
            self._name,
            sa.MetaData(),
            sa.Column("namespace", sa.Text, primary_key=True),
            sa.Column("key", sa.Text, primary_key=True),
            sa.Column("put_at", sa.Double, nullable=False),
            sa.Column("data", sa.LargeBinary, nullable=False),
            schema=self._schema,
        )

    def __getstate__(self) -> dict[str, Any]:
        """For processes of a worker's activities, which are given it over a pipe."""
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_engine", "_table")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def put(self, key: str, data: bytes, /) -> None:
        columns = self._table.c
        with self._connected().begin() as connection:
            touched = connection.execute(self._table.update().where(*self._is(key)).values(put_at=time.time()))
            if touched.rowcount:
                return
            row = {"namespace": self._namespace, "key": key, "put_at": time.time(), "data": data}
            if connection.dialect.name in ("postgresql", "sqlite"):
                from sqlalchemy.dialects import postgresql, sqlite

                insert: Any = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(
                    self._table
                )
                values = insert.values(row)  # somebody may have put the same by now
                connection.execute(
                    values.on_conflict_do_update(
                        index_elements=[columns.namespace, columns.key],
                        set_={"put_at": values.excluded.put_at},
                    )
                )
            else:
                connection.execute(self._table.insert().values(row))

    def get(self, key: str, /) -> bytes | None:
        with self._connected().connect() as connection:
            found = connection.scalar(sa.select(self._table.c.data).where(*self._is(key)))
        return None if found is None else bytes(found)

    def delete(self, keys: Sequence[str], before: float, /) -> None:
        columns = self._table.c
        for start in range(0, len(keys), BATCH):
            with self._connected().begin() as connection:
                connection.execute(
                    self._table.delete().where(
                        columns.namespace == self._namespace,
                        columns.key.in_(keys[start : start + BATCH]),
                        columns.put_at < before,
                    )
                )

    def keys(self, before: float, /) -> Iterator[str]:
        columns, last = self._table.c, ""
        while True:
            query = (
                sa.select(columns.key)
                .where(columns.namespace == self._namespace, columns.key > last, columns.put_at < before)
                .order_by(columns.key)
                .limit(BATCH)
            )
            with self._connected().connect() as connection:
                found = list(connection.scalars(query))
            yield from found
            if len(found) < BATCH:
                return
            last = found[-1]

    def _is(self, key: str) -> tuple[sa.ColumnElement[bool], ...]:
        return self._table.c.namespace == self._namespace, self._table.c.key == key

    def _connected(self) -> sa.Engine:
        with self._lock:
            if self._engine is None:
                options = {"hide_parameters": True, **self._options}  # payloads are no part of an error's text
                if self._url.get_backend_name() == "postgresql":
                    options.setdefault("pool_pre_ping", True)
                    if self._url.get_driver_name() in OF_LIBPQ:
                        options["connect_args"] = {**SOCKET, **options.get("connect_args", {})}
                engine = sa.create_engine(self._url, **options)
                try:
                    self._table.create(engine, checkfirst=True)
                except sa.exc.DBAPIError:
                    # Somebody else may have made it meanwhile.
                    if not sa.inspect(engine).has_table(self._name, self._schema):
                        engine.dispose()
                        raise
                self._engine = engine
            return self._engine

    def close(self) -> None:
        """Close the connections; another call opens them again."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def __repr__(self) -> str:
        url = self._url.render_as_string(hide_password=True)
        return f"SQLPayloadStore({url!r}, namespace={self._namespace!r})"
