"""A payload store as those use it who make and read payloads: host, worker and client.

Values become payloads within calls that cannot wait: amid workflow code, or on a loop that others need. So

- in *workflow code* the bytes are kept with the step, and a reference is made. The turn stays open until they
  are in the store, and only then becomes the state; what code reads was fetched before it ran (`open_turn`).
- on *any other event loop* they are put by a thread at once, and whoever sends the reference waits for that
  (`kept`). What a message refers to is fetched before it is read (`fetch`).
- *elsewhere* (sync activities, processes, the command line) the thread waits.

What was put or got lately is remembered, up to `CACHE_BYTES`; what somebody is about to read is so until he has
read it, however much that is.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from dalsegno._log import get_logger
from dalsegno.codecs.branches import StoredReference
from dalsegno.errands import Errands
from dalsegno.error_text import class_name
from dalsegno.errors import PayloadError, PayloadLostError, PayloadStoreError
from dalsegno.payload import Payload
from dalsegno.payload_store import (
    PIECE_BYTES_MAX,
    STORED,
    PayloadStore,
    key_of,
    reference_of,
    references_in,
    referring_to,
)
from dalsegno.pieces import branches_of

log = get_logger("dalsegno.payload_store")

CACHE_BYTES = 64 * 1024 * 1024
HELD_SECONDS = 10.0
"""What somebody is about to read is at hand at least for so long: a turn is prepared for half of that at most,
and as long for what it has made to be put."""
PLACES = 16
"""Puts and gets that are under way at once."""
PAUSES_SECONDS = (0.05, 0.25)
"""Before it is tried again: what lasts longer than that is not waited for here."""
AWAY_SECONDS = 1.0
TEXT_MAX = 300
FAILED_MAX = 1000
PUTTING_MAX = 1000

Pieces = dict[str, bytes]
"""Bytes by their keys."""


class StoredPayloads:
    """The store of one DataConverter, and what is known of what it holds. Any thread may call."""

    def __init__(self, store: PayloadStore, threshold: int) -> None:
        self.store = store
        self.threshold = threshold
        self._errands = Errands(PLACES, "dalsegno-payloads")
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._held: dict[str, float] = {}
        """Until when what somebody is about to read is to be at hand."""
        self._getting: dict[str, Future[bytes]] = {}
        self._putting: dict[str, Future[None]] = {}
        """Until who sends what refers to them has seen that they are there."""
        self._away_until = 0.0
        self._failed: dict[str, PayloadStoreError] = {}
        """Why what was to be got lately is not at hand."""
        self._never_wait: Counter[int] = Counter()
        """Threads, by how many hosts are on each."""

    def let_nobody_wait(self) -> None:
        """On the thread of the caller, which is a host's: what is not at hand there was not fetched in time."""
        self._never_wait[threading.get_ident()] += 1

    def let_wait(self) -> None:
        """As before that."""
        self._never_wait[threading.get_ident()] -= 1

    @property
    def is_at_work(self) -> bool:
        """Something is being put or got by a thread of its own."""
        return self._errands.is_at_work

    @property
    def only_reads(self) -> bool:
        """Nothing can be larger than the threshold: those who are to read it may have no store yet, or are to
        need none any more."""
        return self.threshold > PIECE_BYTES_MAX

    # --- payloads --------------------------------------------------------------------------------------------

    def referred(self, payload: Payload, pieces: Pieces | None) -> Payload:
        """The payload, or what travels in its place; `pieces` collects what a step of workflow code has made.
        Raises PayloadError."""
        if len(payload.data) <= self.threshold or payload.encoding == STORED:
            return payload
        key, reference = referring_to(payload)
        self.keep(key, payload.data, pieces)
        return reference

    def keep(self, key: str, data: bytes, pieces: Pieces | None) -> None:
        """As `referred`, for what a reference was made to."""
        if pieces is not None:
            pieces[key] = data
        elif _is_on_loop():
            self._put_soon(key, data)
        else:
            self._put(key, data)

    def resolved(self, payload: Payload, pieces: Pieces | None) -> Payload:
        """Raises PayloadError, PayloadStoreError, PayloadLostError."""
        if payload.encoding != STORED:
            return payload
        reference = reference_of(payload)
        return Payload(reference.encoding, self.bring(reference, pieces))

    def bring(self, reference: StoredReference, pieces: Pieces | None) -> bytes:
        """As `resolved`."""
        data = None if pieces is None else pieces.get(reference.key)
        if data is None:
            data = self._at_hand(reference.key)
        if data is None:
            if self._never_wait[threading.get_ident()] > 0:
                if (failed := self._failed.get(reference.key)) is not None:
                    raise type(failed)(str(failed))
                raise PayloadStoreError(
                    "A payload of the payload store was not fetched in time; it is tried again."
                )
            data = self._get(reference)
        return data

    def bring_all(self, references: Iterable[StoredReference], pieces: Pieces | None) -> dict[str, bytes]:
        """As `bring`, with all that hangs on them, by their keys."""
        found: dict[str, bytes] = {}
        waiting = list(references)
        while waiting:
            lacking: list[StoredReference] = []
            with self._lock:
                while waiting:
                    reference = waiting.pop()
                    key = reference.key
                    if key in found:
                        continue
                    data = None if pieces is None else pieces.get(key)
                    if data is None and (data := self._cache.get(key)) is None:
                        lacking.append(reference)
                        continue
                    found[key] = data
                    if reference.is_node:
                        waiting.extend(_below(reference, data))
            for reference in lacking:
                data = found[reference.key] = self.bring(reference, pieces)
                waiting.extend(_below(reference, data))
        return found

    # --- for who must not wait -------------------------------------------------------------------------------

    def lacks(self, references: Mapping[str, StoredReference]) -> list[StoredReference]:
        """Those that are not at hand, and of what hangs on nodes that are. The others stay so until these have
        come, too."""
        until = time.monotonic() + HELD_SECONDS
        lacking: list[StoredReference] = []
        waiting = list(references.values())
        with self._lock:
            while waiting:
                reference = waiting.pop()
                data = self._cache.get(reference.key)
                if data is None:
                    lacking.append(reference)
                    continue
                self._held[reference.key] = until
                self._cache.move_to_end(reference.key)
                waiting.extend(_below(reference, data))
        return lacking

    def get_soon(self, reference: StoredReference) -> Future[bytes]:
        """With what hangs on it. Its exception is a PayloadStoreError. Nobody cancels it: others may wait for
        the same."""
        key = reference.key
        with self._lock:
            if (known := self._getting.get(key)) is not None:
                return known
            getting = self._getting[key] = self._errands.run(partial(self._fetched, reference))
        getting.add_done_callback(lambda _: self._getting.pop(key, None))
        return getting

    def put_soon(self, key: str, data: bytes) -> Future[None]:
        """At hand it is at once, and stays so meanwhile. Its exception is a PayloadStoreError. Who waits no
        longer may cancel it."""
        with self._lock:
            self._held[key] = time.monotonic() + HELD_SECONDS
        self._remember(key, data)
        return self._errands.run(partial(self._put, key, data))

    async def fetch(self, *values: Any) -> None:
        """What they refer to, so that it is at hand. Raises PayloadStoreError, PayloadLostError."""
        await self.have(references_in(*values))

    async def have(self, references: Mapping[str, StoredReference]) -> None:
        """As `fetch`."""
        await _all(map(self.get_soon, self.lacks(references)))

    async def kept(self, *values: Any) -> None:
        """Return when what they refer to is in the store. Raises PayloadStoreError."""
        if not self._putting:
            return
        waited = {key: put for key in references_in(*values) if (put := self._putting.get(key)) is not None}
        try:
            await _all(waited.values())
        finally:
            for key, put in waited.items():
                # What was not put is refused to whoever sends that reference, until it is made anew.
                if put.done() and put.exception() is None and self._putting.get(key) is put:
                    del self._putting[key]

    def _put_soon(self, key: str, data: bytes) -> None:
        known = self._putting.get(key)
        # What is there may be so since long ago, for nobody, and be swept just now: its age begins anew.
        if known is None or known.done():
            if len(self._putting) >= PUTTING_MAX:  # made, and never sent
                self._putting = {
                    key: put for key, put in self._putting.items() if not put.done() or put.exception()
                }
            self._putting[key] = self.put_soon(key, data)

    def _fetched(self, reference: StoredReference) -> bytes:
        data = self._get(reference)
        with self._lock:
            self._held[reference.key] = time.monotonic() + HELD_SECONDS
        self._remember(reference.key, data)
        for below in _below(reference, data):
            self._fetched(below)
        return data

    # --- the store -------------------------------------------------------------------------------------------

    def _put(self, key: str, data: bytes) -> None:
        self._asked("take a payload", partial(self.store.put, key, data))
        self._remember(key, data)

    def _get(self, reference: StoredReference) -> bytes:
        """Raises PayloadStoreError, PayloadLostError."""
        key = reference.key
        try:
            data = self._at_hand(key) or self._asked_for(reference)
        except PayloadStoreError as error:
            if len(self._failed) >= FAILED_MAX:
                self._failed.clear()
            self._failed[key] = error
            raise
        self._failed.pop(key, None)
        return data

    def _asked_for(self, reference: StoredReference) -> bytes:
        data: object = self._asked("give a payload", partial(self.store.get, reference.key))
        if data is None:
            raise PayloadLostError(
                f"The payload store has lost a payload of {reference.size:,} bytes (key {reference.key}): put "
                "it back from a backup."
            )
        if not isinstance(data, bytes) or key_of(data) != reference.key:
            raise PayloadLostError(
                f"The payload store holds other bytes than were put there under the key {reference.key}: put "
                "those back from a backup."
            )
        self._remember(reference.key, data)
        return data

    def _asked(self, what: str, call: partial[Any]) -> Any:
        # Who has just been seen not to answer is not waited for again by each that asks.
        pauses = () if time.monotonic() < self._away_until else PAUSES_SECONDS
        for pause in (*pauses, None):
            try:
                return call()
            except Exception as error:
                if pause is not None:
                    time.sleep(pause)
                    continue
                self._away_until = time.monotonic() + AWAY_SECONDS
                text = f"{class_name(error)}: {str(error)[:TEXT_MAX]}"
                raise PayloadStoreError(
                    f"The payload store ({type(self.store).__name__}) does not {what}: {text}."
                ) from error
        raise AssertionError("unreachable")

    # --- at hand ---------------------------------------------------------------------------------------------

    def _at_hand(self, key: str) -> bytes | None:
        with self._lock:
            data = self._cache.get(key)
            if data is not None:
                self._cache.move_to_end(key)
            return data

    def _remember(self, key: str, data: bytes) -> None:
        with self._lock:
            if key not in self._cache:
                self._cached_bytes += len(data)
            self._cache[key] = data
            self._cache.move_to_end(key)
            if self._cached_bytes > CACHE_BYTES:
                self._forget_oldest(but=key)

    def _forget_oldest(self, *, but: str) -> None:
        now = time.monotonic()
        self._held = {key: until for key, until in self._held.items() if until > now}
        for oldest in [key for key in self._cache if key not in self._held and key != but]:
            self._cached_bytes -= len(self._cache.pop(oldest))
            if self._cached_bytes <= CACHE_BYTES:
                return


def _below(reference: StoredReference, data: bytes) -> list[StoredReference]:
    """What hangs on it; of what is damaged nothing, which is for who reads it."""
    if reference.is_node:
        with suppress(PayloadError):
            return [branch.reference for branch in branches_of(data)]
    return []


async def _all(futures: Iterable[Future[Any]]) -> None:
    """The first exception is raised when all are done. Who is cancelled meanwhile cancels none of them: others
    may wait for the same."""
    waited = [asyncio.wrap_future(future) for future in futures]
    if waited:
        await asyncio.wait(waited)
        errors = [error for future in waited if (error := future.exception()) is not None]
        if errors:
            raise errors[0]


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
