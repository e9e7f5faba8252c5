"""An annotation with limits of msgspec's: `Annotated[int, msgspec.Meta(ge=0)]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from dalsegno.codecs.codec import Codec, Misfit


class LimitedCodec(Codec):
    """The values of another, within limits: what does not keep them is refused when it is sent, too."""

    by_msgspec = True

    def __init__(self, hint: Any, inner: Codec) -> None:
        super().__init__(hint)
        self._inner = inner
        self.rank, self.key_form, self.of_class = inner.rank, inner.key_form, inner.of_class

    def parts(self) -> Iterable[Codec]:
        return (self._inner,)

    def suits(self, value: Any) -> bool:
        return self._inner.suits(value)

    def exact(self, value: Any) -> bool:
        return self.native and self._inner.exact(value) and self._keeps(self._inner.write(value))

    def write(self, value: Any) -> Any:
        data = self._inner.write(value)
        self._require(data)
        return data

    def coerce(self, value: Any) -> Any:
        return self._inner.coerce(value)

    def read(self, data: Any) -> Any:
        self._require(data)
        return self._inner.read(data)

    def _require(self, data: Any) -> None:
        if not self._keeps(data):
            raise Misfit(f"The value is not within the limits of {self.name}")

    def _keeps(self, data: Any) -> bool:
        if not self.native:
            return True
        try:
            msgspec.convert(data, self.hint, str_keys=True)
        except msgspec.ValidationError:
            return False
        return True
