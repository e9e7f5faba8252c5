"""Random bytes that are drawn without a system call each: one would release the interpreter's lock, and with
the store's threads waiting for it, cost a hundred times what it computes."""

from __future__ import annotations

import os
from hashlib import blake2b


class Entropy:
    """Unpredictable bytes, never the same twice: BLAKE2b of a counter, keyed with a secret of this process
    (keyed BLAKE2b is a pseudo-random function, RFC 7693). Not to be shared over a fork."""

    __slots__ = ("_counter", "_secret")

    def __init__(self) -> None:
        self._secret = os.urandom(64)
        self._counter = 0

    def draw(self) -> bytes:
        """32 bytes."""
        self._counter += 1
        return blake2b(self._counter.to_bytes(8), key=self._secret, digest_size=32).digest()
