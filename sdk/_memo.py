"""The memo of the workflow that runs: a part of `dalsegno.workflow`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from dalsegno import given
from dalsegno._call_site import call_site
from dalsegno._runtime import current_runtime
from dalsegno.payload import Payload
from dalsegno.targets import UNSET


def memo() -> Mapping[str, Any]:
    """The notes that the start gave the run, as its code has changed them since, as plain values."""
    runtime = current_runtime("memo")
    return {key: runtime.converter.from_payload(payload) for key, payload in runtime.memo.items()}


def memo_value(key: str, default: Any = UNSET, *, type_hint: Any = Any) -> Any:
    """One note, restored as `type_hint`. Raises KeyError if there is none and no `default`."""
    runtime = current_runtime("memo_value")
    payload = runtime.memo.get(key)
    if payload is not None:
        return runtime.converter.from_payload(payload, type_hint)
    if default is UNSET:
        raise KeyError(f"The memo of this workflow has no key {key!r}.")
    return default


def upsert_memo(updates: Mapping[str, Any]) -> None:
    """Set notes of the run, and take back those whose value is None; others stay. `describe` shows them, and
    they go along where the run goes on as another, unless that is given a memo of its own.

    Raises TypeError for what is no mapping from texts, PayloadError for a value that cannot be stored,
    ValueError where the memo would be of more than 256 KiB.
    """
    runtime = current_runtime("upsert_memo")
    changes: dict[str, Payload | None] = {
        given.text("A key of memo", key): None if value is None else runtime.converter.to_whole_payload(value)
        for key, value in given.mapping("updates", updates).items()
    }
    if changes:
        runtime.upsert_memo(changes, call_site(sys._getframe(1)))
