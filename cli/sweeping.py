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
from dalsegno.payload_store import PayloadStore

BATCH = 500
SAMPLE = 20
"""Of what the database refers to: so many are looked for where nothing that is old is referred to."""


class Swept(NamedTuple):
    kept: int
    unreferred: int


def swept(
    database: str, converter: DataConverter, *, before: float, deletes: bool, even_all: bool = False
) -> Swept:
    """Raises StoreUnavailableError; ConfigurationError for a converter without a store, and, unless it may be
    so (`even_all`), for a database that refers to nothing in it: it is another one's, more likely."""
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
    sample: set[str] = set()
    for keys in referred_keys(opened):
        old -= keys
        if len(sample) < SAMPLE:
            sample |= set(list(keys)[:SAMPLE])
    if deletes and old and len(old) == found and not even_all:
        _require_its_own(store, sample)
    if deletes:
        doomed = sorted(old)
        for start in range(0, len(doomed), BATCH):
            with _answering(store):
                store.delete(doomed[start : start + BATCH], before)
    return Swept(found - len(old), len(old))


def _require_its_own(store: PayloadStore, referred: set[str]) -> None:
    """Something that the database refers to is there, if only what is young."""
    with _answering(store):
        if any(store.get(key) is not None for key in referred):
            return
    raise ConfigurationError(
        "The database refers to nothing in the payload store, so that all of it would be deleted: give the "
        "--database whose store it is, or --even-all if nobody refers to it any more."
    )


@contextmanager
def _answering(store: object) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        text = f"{class_name(error)}: {str(error)[:300]}"
        raise StoreUnavailableError(
            f"The payload store ({type(store).__name__}) did not answer: {text}."
        ) from error
