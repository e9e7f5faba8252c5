"""The store: journal, snapshots, leases and visibility in PostgreSQL or SQLite. `port` is its contract."""

from dalsegno.extras import imports_of_extras

with imports_of_extras():
    from dalsegno.persistence.store import open_database, open_store

__all__ = ["open_database", "open_store"]
