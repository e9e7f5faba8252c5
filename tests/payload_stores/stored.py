"""What hosts and workers are given: workflows that send what is large, and a converter with a store. The store
is where the environment says."""

from __future__ import annotations

import os

from dalsegno import DataConverter, FolderPayloadStore, PayloadStore, SQLPayloadStore
from tests.payload_stores.large import (
    Child,
    Making,
    Teller,
    Waiting,
    enlarge,
    enlarge_in_process,
    enlarge_in_thread,
)

__all__ = ["Child", "Making", "Teller", "Waiting", "enlarge", "enlarge_in_process", "enlarge_in_thread"]

PLACE = "DALSEGNO_TEST_PAYLOADS"


def at(place: str) -> DataConverter:
    store: PayloadStore = SQLPayloadStore(place) if "://" in place else FolderPayloadStore(place or "payloads")
    return DataConverter(payload_store=store, threshold=2048)


converter = at(os.environ.get(PLACE, ""))
