"""The configurations of a rolling upgrade, as processes have them: what seals their payloads, the payload
store that large ones go to, and interceptors."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dalsegno.actors.workflow_actor.program import registry
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.data_converter import DataConverter
from dalsegno.encryption import EncryptionCodec, Key, Keys, KeyScope
from dalsegno.errors import PayloadCodecError
from dalsegno.interceptors import ContextPropagationInterceptor
from dalsegno.payload_store import PayloadStore
from tests.simulation.language import Language
from tests.simulation.payloads import NotedCodec

if TYPE_CHECKING:
    from dalsegno.stored_payloads import StoredPayloads

FIRST, SECOND_KEY = Key("first", bytes(range(32))), Key("second", bytes(range(1, 33)))
NEVER, SMALL = 2**40, 120
"""Bytes of what goes into the store; little is as large as what does so by default."""
AT = 1_800_000_000.0

story: ContextVar[str] = ContextVar("story")
"""The workflow ID that a client has begun it all with."""
propagated = ContextPropagationInterceptor(story)
source_digest = cache(registry._source_digest)
"""No source changes while simulations run."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`keys`: the first seals, if one does. What is neither sealed nor opened is as it was before."""

    keys: tuple[Key, ...] = ()
    seals: bool = False
    threshold: int | None = None
    propagates: bool = False


PLAIN = Stage()
READS = Stage((FIRST,), threshold=NEVER)
SEALS = Stage((FIRST,), seals=True, threshold=SMALL, propagates=True)
KNOWS_THE_NEXT = Stage((FIRST, SECOND_KEY), seals=True, threshold=SMALL, propagates=True)
ROTATED = Stage((SECOND_KEY, FIRST), seals=True, threshold=SMALL, propagates=True)
READS_ALL = Stage((SECOND_KEY, FIRST), threshold=NEVER)
"""After a roll-back."""

FORWARD = (READS, SEALS, KNOWS_THE_NEXT, ROTATED)


class KeysAtHand:
    """Of one process; for a while they may be away."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.are_away = False

    @property
    def ids(self) -> tuple[str, ...]:
        return self._keys.ids

    def sealing_key(self, scope: KeyScope, /) -> Key:
        if self.are_away:
            raise PayloadCodecError("There is no key at hand.")
        return self._keys.sealing_key(scope)

    def opening_key(self, key_id: str, scope: KeyScope, /) -> Key | None:
        return None if self.are_away else self._keys.opening_key(key_id, scope)


class Configured:
    """A process at a stage, in one life. `waits`: it may wait for the store amid what it does."""

    def __init__(self, stage: Stage, store: PayloadStore, *, waits: bool) -> None:
        self.stage = stage
        self.keys = KeysAtHand(Keys(*stage.keys)) if stage.keys else None
        self.converter = DataConverter.default
        if self.keys is not None:
            codec = EncryptionCodec(self.keys, namespace="simulated", seal=stage.seals, now=lambda: AT)
            self.converter = DataConverter(payload_codec=NotedCodec(codec), payload_store=store)
        self.stored: StoredPayloads | None = self.converter._stored
        if self.stored is not None:
            assert stage.threshold is not None
            self.stored.threshold = stage.threshold
            if not waits:
                self.stored.let_nobody_wait()

    def code(self, language: Language) -> WorkflowRegistry:
        known = language.code
        return WorkflowRegistry(
            [(each.definition.cls, None) for each in known._registered.values() if not _is_built_in(each)],
            data_converter=self.converter,
            local_activities=known._local_activities,
            interceptors=[propagated] if self.stage.propagates else [],
        )


def _is_built_in(registered: registry.Registered) -> bool:
    return registry.is_built_in(registered.definition.name)
