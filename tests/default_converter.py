"""What the default DataConverter makes of values and errors, for tests that are about something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dalsegno import converter
from dalsegno.converter import Signature
from dalsegno.data_converter import DataConverter
from dalsegno.payload import Payload

to_payload = DataConverter.default.to_payload
from_payload = DataConverter.default.from_payload
to_failure = DataConverter.default.to_failure
from_failure = DataConverter.default.from_failure


def encode_args(name: str, args: Sequence[Any]) -> tuple[Payload, ...]:
    return converter.encode_args(name, args, DataConverter.default)


def decode_args(
    target: Callable[..., Any] | Signature, payloads: Sequence[Payload], *, method: bool = False
) -> list[Any]:
    return converter.decode_args(target, payloads, DataConverter.default, method=method)
