"""What `dalsegno payloads sweep` does: pieces of the store that no row of the database refers to are deleted.

First the store is asked what is old enough, then the database is read, then what was not found there is
deleted, if it was not put again meanwhile. So nothing is deleted that came to be referred to while this ran.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dalsegno.data_converter import DataConverter
from dalsegno.error_text import class_name
from dalsegno.errors import ConfigurationError, StoreUnavailableError

BATCH = 500


class Swept(NamedTuple):
    kept: int
    unreferred: int


def swept(database: str, converter: DataConverter, *, before: float, deletes: bool) -> Swept:
    """Raises ConfigurationError for a converter without a store, and StoreUnavailableError."""
    from dalsegno.persistence import open_database
    from dalsegno.persistence.payload_references import referred_keys

    store = converter.payload_store
    if store is None:
        raise ConfigurationError(
            "The data converter has no payload store: name one that has, by --data-converter module:attribute."
        )
    opened = open_database(database)
    with _answering(store):
        old = set(store.keys(before))
    found = len(old)
    for keys in referred_keys(opened):
        old -= keys
    if deletes:
        doomed = sorted(old)
        for start in range(0, len(doomed), BATCH):
            with _answering(store):
                store.delete(doomed[start : start + BATCH], before)
    return Swept(found - len(old), len(old))


@contextmanager
def _answering(store: object) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        text = f"{class_name(error)}: {str(error)[:300]}"
        raise StoreUnavailableError(
            f"The payload store ({type(store).__name__}) did not answer: {text}."
        ) from error
