"""pydantic's models, where a program uses them: written and validated by their own methods."""

from __future__ import annotations

import sys
from typing import Any

from dalsegno.codecs.codec import Codec, Misfit, same


def is_model(kind: type) -> bool:
    """pydantic is not imported for the question."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


class ModelCodec(Codec):
    """One model, as its `model_dump(mode="json")`."""

    rank = 30
    of_class = True

    def __init__(self, hint: Any, cls: Any) -> None:
        super().__init__(hint)
        self._cls = cls

    def suits(self, value: Any) -> bool:
        return type(value) is self._cls

    def exact(self, value: Any) -> bool:
        return False

    def write(self, value: Any) -> Any:
        if type(value) is not self._cls:
            raise self.refuse(value)
        try:
            data = value.model_dump(mode="json", by_alias=True)
        except Exception as error:  # noqa: BLE001 - the user's serializers may raise anything
            raise Misfit(f"{self.name}.model_dump raises {type(error).__name__}") from None
        if not same(self.read(data), value):
            raise Misfit(f"A {self.name} made again from its model_dump is not equal to it")
        return data

    def coerce(self, value: Any) -> Any:
        if type(value) is not dict:
            return value
        made = self.read(value)
        if not _holds(self.write(made), value):
            raise Misfit(f"A {self.name} made from the dict has other values")
        return made

    def read(self, data: Any) -> Any:
        try:
            return self._cls.model_validate(data)
        except Exception as error:  # noqa: BLE001 - the user's validators may raise anything
            raise Misfit(f"{self.name}.model_validate raises {type(error).__name__}") from None


def _holds(written: Any, given: Any) -> bool:
    """Whether all that was given is there, as it was given; what was not has its default."""
    if type(written) is dict and type(given) is dict:
        return all(key in written and _holds(written[key], part) for key, part in given.items())
    if type(written) is list and type(given) in (list, tuple):
        return len(written) == len(given) and all(map(_holds, written, given))
    return same(written, given)
