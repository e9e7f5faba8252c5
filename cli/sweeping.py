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
from dalsegno.payload_store import PayloadStore, StoredReference, key_of
from dalsegno.pieces import branches_of

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
    followed: set[str] = set()
    for keys, nodes in referred_keys(opened):
        old -= keys
        for node in nodes:
            old -= _below(node, store, followed)
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


def _below(node: StoredReference, store: PayloadStore, followed: set[str]) -> set[str]:
    """The keys of what hangs on it, but for what was followed before."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        reference = waiting.pop()
        if reference.key in followed:
            continue
        followed.add(reference.key)
        with _answering(store):
            data = store.get(reference.key)
        if data is None or key_of(data) != reference.key:
            raise ConfigurationError(
                f"The payload store has lost a piece that others hang on (key {reference.key}): nothing is "
                "deleted. Put it back from a backup, or give the --database whose store it is."
            )
        below = [branch.reference for branch in branches_of(data)]
        found.update(branch.key for branch in below)
        waiting.extend(branch for branch in below if branch.is_node)
    return found


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
