"""What the converters are called that `bench.codecs` measures: `--data-converter bench.codecs_app:NAME`."""

from __future__ import annotations

import hashlib

from dalsegno import CompressionCodec, DataConverter
from dalsegno.encryption import EncryptionCodec, Key, Keys

_SECRET = hashlib.sha256(b"a key for benchmarks").digest()

plain = DataConverter.default
compressed = DataConverter(payload_codec=CompressionCodec())
encrypted = DataConverter(payload_codec=EncryptionCodec(Keys(Key("bench", _SECRET)), namespace="bench"))
