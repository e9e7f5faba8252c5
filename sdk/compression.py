"""Payloads made smaller, where that is worth it:

    DataConverter(payload_codec=CompressionCodec())

A payload that is small, or would not shrink, stays as it is; reading needs no setting.
"""

from __future__ import annotations

import zlib

from dalsegno import given
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload
from dalsegno.payload_codec import PayloadContext

ZLIB = "compressed/zlib"
BYTES_MAX = 64 * 1024 * 1024
"""Of what is made whole again: no message holds as much, and whoever sends it must not fill our memory."""
WORTH_IT = 0.9


class CompressionCodec:
    """By zlib. `min_bytes`: smaller payloads are not tried; `level`: 1 (fast) to 9 (small)."""

    def __init__(self, *, min_bytes: int = 1024, level: int = 6) -> None:
        self._min_bytes = given.whole("min_bytes", min_bytes, least=0, most=BYTES_MAX)
        self._level = given.whole("level", level, least=1, most=9)

    def encode(self, payload: Payload, _: PayloadContext, /) -> Payload:
        if len(payload.data) < self._min_bytes:
            return payload
        label = payload.encoding.encode()
        data = zlib.compress(b"%d:%b%b" % (len(label), label, payload.data), self._level)
        return Payload(ZLIB, data) if len(data) < WORTH_IT * len(payload.data) else payload

    def decode(self, payload: Payload, _: PayloadContext, /) -> Payload:
        if payload.encoding != ZLIB:
            return payload
        inflating = zlib.decompressobj()
        try:
            whole = inflating.decompress(payload.data, BYTES_MAX)
        except zlib.error:
            raise PayloadError("A compressed payload is damaged: zlib cannot read it.") from None
        if not inflating.eof:
            more = "has more than 64 MiB" if inflating.unconsumed_tail else "ends too early"
            raise PayloadError(f"A compressed payload cannot be used: it {more}.")
        size, _colon, rest = whole.partition(b":")
        try:
            length = int(size)
            return Payload(rest[:length].decode(), rest[length:])
        except ValueError:
            raise PayloadError("A compressed payload is damaged: it does not say what it was.") from None
