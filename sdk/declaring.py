"""What is wrong with a declaration is told as one kind of error, with the place of the declaration."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from dalsegno._call_site import call_site, code_site
from dalsegno.errors import DefinitionError

P = ParamSpec("P")
R = TypeVar("R")


def declaring(look: Callable[P, R]) -> Callable[P, R]:
    """For what looks at a declaration while the declaring code is on the stack: a TypeError or ValueError (of
    `dalsegno.given`, for one) becomes a DefinitionError."""

    @wraps(look)
    def looking(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return look(*args, **kwargs)
        except DefinitionError:
            raise
        except (TypeError, ValueError) as error:
            raise DefinitionError(str(error), call_site(sys._getframe())) from error.__cause__

    return looking


def place_of(target: Callable[..., Any]) -> str:
    """Where a function was declared, to be told later."""
    while isinstance(target, partial):
        target = target.func
    code = getattr(getattr(target, "__func__", target), "__code__", None)
    return "" if code is None else code_site(code)
