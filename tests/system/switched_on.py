"""What clients, hosts and workers of errands are given while a codec, a payload store and interceptors are
switched on in a rolling manner: a converter for each step."""

from __future__ import annotations

import os

from dalsegno import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    EncryptionCodec,
    FolderPayloadStore,
    Key,
    Keys,
)
from tests.interceptors.telling import Telling
from tests.system.errands import Errand, Watch, do, linger, stumble, take_long

__all__ = ["Errand", "Watch", "do", "linger", "stumble", "take_long"]

PLACE = "SWITCHED_PAYLOADS"


def with_keys(*keys: Key, seal: bool) -> DataConverter:
    return DataConverter(
        payload_codec=EncryptionCodec(Keys(*keys), namespace="switched", seal=seal),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
        payload_store=FolderPayloadStore(os.environ.get(PLACE, "payloads")),
        threshold=1024 if seal else 2**40,
    )


FIRST, SECOND = Key("first", bytes(range(32))), Key("second", bytes(range(1, 33)))
reads = with_keys(FIRST, SECOND, seal=False)
seals = with_keys(FIRST, SECOND, seal=True)
rotated = with_keys(SECOND, FIRST, seal=True)


telling = Telling()
