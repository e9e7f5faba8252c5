"""What `@workflow.defn` finds out about a class, once, when the class is made.

Decorated things carry their name as `__dalsegno_name__`, so that the client can be given them instead of
strings: the class and its run method carry the workflow type, signal and query methods their own name.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, TypeVar

from dalsegno import given
from dalsegno.converter import Signature, signature_of
from dalsegno.declaring import declaring, place_of
from dalsegno.errors import DefinitionError, PayloadError
from dalsegno.policies import HandlerUnfinishedPolicy

F = TypeVar("F", bound=Callable[..., Any])

NAME_ATTRIBUTE = "__dalsegno_name__"
RUN_ATTRIBUTE = "__dalsegno_run__"
INIT_ATTRIBUTE = "__dalsegno_init__"
DEFINITION_ATTRIBUTE = "__dalsegno_definition__"
ROLE_ATTRIBUTE = "__dalsegno_role__"
INTERRUPTED_ATTRIBUTE = "__dalsegno_interrupted__"
EXECUTOR_ATTRIBUTE = "__dalsegno_executor__"
VALIDATOR_ATTRIBUTE = "__dalsegno_validator__"

DYNAMIC_NAME = ""
"""Of what takes all names that nothing else has; nothing that is sent has it."""

BUILT_IN_PREFIX = "dalsegno."
"""Of the types of workflows that every host knows by itself."""

Role = Literal["run", "signal", "query", "update"]

UnfitSignals = Literal["quarantine", "suspend"]
"""What becomes of a signal whose arguments do not fit its handler."""


@dataclass(frozen=True, slots=True)
class Marked:
    """The decorator's note on a method. `name` is None for the run method and for dynamic handlers."""

    role: Role
    name: str | None
    unfinished_policy: HandlerUnfinishedPolicy
    description: str


@dataclass(frozen=True)
class HandlerDefinition:
    """A handler of a signal, query or update: `function` takes the workflow object first, and so does the
    `validator` of an update. `name` None: the dynamic one."""

    name: str | None
    function: Callable[..., Any]
    bound: bool = False
    """Set at run time as a plain callable, so that it takes no workflow object."""
    validator: Callable[..., Any] | None = None
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON
    description: str = ""
    """For people."""

    @cached_property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def signature(self) -> Signature:
        return signature_of(self.function, method=not self.bound)

    @property
    def rest_hint(self) -> Any:
        """The annotation of what a dynamic handler is given after the name: all arguments, in a list."""
        parameter = self.signature.parameter(1)
        return Any if parameter is None else parameter.type_hint

    @property
    def takes_rest(self) -> bool:
        """A dynamic handler has `*args` behind the name: it takes them one by one."""
        return self.signature.rest is not None and len(self.signature.parameters) < 2


@dataclass(frozen=True)
class WorkflowDefinition:
    """A workflow class, as the engine runs it. `signals`, `queries` and `updates` hold the dynamic handler
    under None."""

    name: str
    cls: type[Any]
    run: Callable[..., Any]
    init_takes_args: bool
    signals: Mapping[str | None, HandlerDefinition]
    queries: Mapping[str | None, HandlerDefinition]
    updates: Mapping[str | None, HandlerDefinition]
    failure_exception_types: tuple[type[BaseException], ...]
    dynamic: bool = False
    unfit_signals: UnfitSignals = "quarantine"

    @cached_property
    def run_signature(self) -> Signature:
        """Resolved at first use, so that annotations may name what is defined later. Raises PayloadError."""
        return signature_of(self.run, method=True)

    @cached_property
    def state_hint(self) -> Any:
        """The annotation of run's only parameter, which a sign keeps; None when run has another shape."""
        parameters = self.run_signature.parameters
        if self.dynamic:
            return None
        return parameters[0].type_hint if len(parameters) == 1 and not self.run_signature.rest else None

    @property
    def place(self) -> str:
        return place_of(self.run)

    @property
    def _handlers(self) -> tuple[HandlerDefinition, ...]:
        return (*self.signals.values(), *self.queries.values(), *self.updates.values())

    @property
    def handling(self) -> tuple[Callable[..., Any], ...]:
        """The functions of its handlers, and of their validators."""
        validators = (handler.validator for handler in self._handlers if handler.validator is not None)
        return (*(handler.function for handler in self._handlers), *validators)

    def resolve(self) -> None:
        """Resolve all annotations now. Raises DefinitionError for the first that cannot be."""
        function = self.run
        try:
            _ = self.state_hint
            for handler in self._handlers:
                function = handler.function
                _ = handler.signature
        except PayloadError as error:
            raise DefinitionError(str(error), place_of(function)) from error


@declaring
def mark(
    function: F,
    role: Role,
    name: str | None,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str = "",
) -> F:
    """Note on a method what it is for. Raises DefinitionError for what it cannot be."""
    where = described(function)
    decorator = f"@workflow.{role}"
    if not inspect.isfunction(function):
        raise TypeError(f"{decorator} is for methods, but {where} is not one.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{where} is a generator, which {decorator} cannot use: return the value instead.")
    if role == "run" and not inspect.iscoroutinefunction(function):
        raise TypeError(f"{where} must be `async def` to be used with @workflow.run.")
    _require_positional(function, where)
    if name is not None:
        name = given.name(f"The name of {where}", name)
        setattr(function, NAME_ATTRIBUTE, name)
    setattr(function, ROLE_ATTRIBUTE, Marked(role, name, unfinished_policy, description))
    if role == "update":
        setattr(function, "validator", partial(_validate_by, function))  # noqa: B010 - functions have none
    return function


@declaring
def _validate_by(update: Callable[..., Any], validator: F) -> F:
    """`@<update handler>.validator`. Raises DefinitionError for what it cannot be."""
    where = described(validator)
    if not inspect.isfunction(validator):
        raise TypeError(f"@{described(update)}.validator is for methods, but {where} is not one.")
    if inspect.iscoroutinefunction(validator) or inspect.isgeneratorfunction(validator):
        raise TypeError(f"{where} must be a plain method, not async: a validator only reads, and raises.")
    _require_positional(validator, where)
    if getattr(update, VALIDATOR_ATTRIBUTE, None) is not None:
        raise ValueError(f"{described(update)} has two validators: keep one.")
    setattr(update, VALIDATOR_ATTRIBUTE, validator)
    return validator


def define(
    cls: type[Any],
    name: str | None,
    failure_exception_types: tuple[type[BaseException], ...],
    *,
    dynamic: bool = False,
    unfit_signals: UnfitSignals = "quarantine",
) -> WorkflowDefinition:
    """Read the marks of a class and note what was found on it. Raises TypeError and ValueError."""
    where = described(cls)
    if not inspect.isclass(cls):
        raise TypeError(f"@workflow.defn is for classes, but {where} is not one.")
    workflow_type = (
        DYNAMIC_NAME
        if given.flag("dynamic", dynamic)
        else given.name(f"The name of {where}", cls.__name__ if name is None else name)
    )
    marked = dict(_marked_methods(cls))
    run = _the_run_method(cls, marked)
    if dynamic:
        require_dynamic(f"{where} with @workflow.defn", name, run, method=True)
    definition = WorkflowDefinition(
        name=workflow_type,
        cls=cls,
        run=run,
        init_takes_args=_init_takes_args(cls, run),
        signals=_handlers(cls, marked, "signal"),
        queries=_handlers(cls, marked, "query"),
        updates=_handlers(cls, marked, "update"),
        failure_exception_types=failure_exception_types,
        dynamic=dynamic,
        unfit_signals=unfit_signals,
    )
    setattr(cls, NAME_ATTRIBUTE, workflow_type)
    setattr(cls, DEFINITION_ATTRIBUTE, definition)
    setattr(run, NAME_ATTRIBUTE, workflow_type)
    setattr(run, RUN_ATTRIBUTE, True)
    return definition


def require_dynamic(what: str, name: object, function: Callable[..., Any], *, method: bool = False) -> None:
    """Raises TypeError and ValueError for what cannot take all names."""
    if name is not None:
        raise ValueError(f"{what} is given a name or dynamic=True, not both: what is dynamic takes all names.")
    parameters = list(inspect.signature(function).parameters.values())[1 if method else 0 :]
    if _room(parameters) != (1, 1):
        raise TypeError(
            f"{what} is dynamic, so {function.__name__} must take one parameter"
            f"{' besides self' if method else ''}, the list of all arguments: `args: Sequence[RawValue]`."
        )


def definition_of(cls: type[Any]) -> WorkflowDefinition:
    """What `@workflow.defn` noted on this very class. Raises DefinitionError for a class without it."""
    definition = vars(cls).get(DEFINITION_ATTRIBUTE) if inspect.isclass(cls) else None
    if not isinstance(definition, WorkflowDefinition):
        raise DefinitionError(f"{described(cls)} is not a workflow: decorate the class with @workflow.defn.")
    return definition


def described(target: object) -> str:
    name = getattr(target, "__qualname__", None)
    return name if isinstance(name, str) and name else given.shown(target)


def _marked_methods(cls: type[Any]) -> Iterator[tuple[str, Marked]]:
    """All marked methods of a class and its bases, in the order of their names, so that nothing depends on
    the order of declaration."""
    for attribute in sorted({name for base in cls.__mro__ for name in vars(base)}):
        marks = [
            getattr(vars(base)[attribute], ROLE_ATTRIBUTE, None)
            for base in cls.__mro__
            if attribute in vars(base)
        ]
        noted = next((mark for mark in marks if mark is not None), None)
        if noted is None:
            continue
        if marks[0] is None:
            raise TypeError(
                f"{described(cls)}.{attribute} overrides a method that is decorated with "
                f"@workflow.{noted.role}: decorate it as well."
            )
        yield attribute, marks[0]


def _the_run_method(cls: type[Any], marked: Mapping[str, Marked]) -> Callable[..., Any]:
    runs = [attribute for attribute, mark in marked.items() if mark.role == "run"]
    where = described(cls)
    if not runs:
        raise TypeError(f"{where} has no run method: decorate one `async def` method with @workflow.run.")
    if len(runs) > 1:
        raise TypeError(f"{where} has {len(runs)} methods with @workflow.run ({', '.join(runs)}): keep one.")
    if runs[0] not in vars(cls):
        raise TypeError(
            f"{where} inherits its run method: define {runs[0]} in the class itself, with @workflow.run."
        )
    run: Callable[..., Any] = vars(cls)[runs[0]]
    return run


def _init_takes_args(cls: type[Any], run: Callable[..., Any]) -> bool:
    init = cls.__init__
    parameters = list(inspect.signature(init).parameters.values())[1:]
    if getattr(init, INIT_ATTRIBUTE, False):
        _require_fitting(cls, parameters, run)
        return True
    if init is object.__init__:
        return False
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if any(parameter.default is parameter.empty and parameter.kind not in variadic for parameter in parameters):
        raise TypeError(
            f"{described(cls)}.__init__ has parameters without defaults: give them defaults, or decorate it "
            "with @workflow.init to be given the arguments of the run method."
        )
    return False


def _require_fitting(cls: type[Any], parameters: list[inspect.Parameter], run: Callable[..., Any]) -> None:
    """`__init__` is given what `run` is given, by position, so it must take as many; names may differ."""
    of_run = list(inspect.signature(run).parameters.values())[1:]
    least, most = _room(of_run)
    init_least, init_most = _room(parameters)
    if init_least > least or init_most < most:
        raise TypeError(
            f"{described(cls)}.__init__ is decorated with @workflow.init, so it must take the same arguments, "
            f"by position, as {run.__name__} ({', '.join(map(str, of_run)) or 'none'})."
        )


def _room(parameters: list[inspect.Parameter]) -> tuple[float, float]:
    """How many arguments must be given by position, and how many may be; never enough with one that cannot."""
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        return math.inf, len(positional)
    required = sum(p.default is p.empty for p in positional)
    endless = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return required, math.inf if endless else len(positional)


def _handlers(cls: type[Any], marked: Mapping[str, Marked], role: Role) -> dict[str | None, HandlerDefinition]:
    handlers: dict[str | None, HandlerDefinition] = {}
    for attribute, mark in marked.items():
        if mark.role != role:
            continue
        if mark.name in handlers:
            called = "dynamic" if mark.name is None else repr(mark.name)
            raise ValueError(f"{described(cls)} has two {role} handlers for {called}: keep one.")
        function = getattr(cls, attribute)
        validator = getattr(function, VALIDATOR_ATTRIBUTE, None)
        if validator is not None:
            _require_same_arguments(validator, function)
        handlers[mark.name] = HandlerDefinition(
            mark.name,
            function,
            validator=validator,
            unfinished_policy=mark.unfinished_policy,
            description=mark.description,
        )
    return handlers


def _require_same_arguments(validator: Callable[..., Any], handler: Callable[..., Any]) -> None:
    """A validator is given what its handler is given, by position."""
    rooms = [_room(list(inspect.signature(it).parameters.values())[1:]) for it in (validator, handler)]
    if rooms[0][0] > rooms[1][0] or rooms[0][1] < rooms[1][1]:
        raise TypeError(
            f"{described(validator)} must take the same arguments, by position, as {described(handler)}, whose "
            "validator it is."
        )


def _require_positional(function: Callable[..., Any], where: str) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise TypeError(f"{where} must be a method: it takes `self` first.")
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise TypeError(
                f"Parameter {parameter.name!r} of {where} can only be given by keyword, but arguments travel "
                "by position: give it a default, or take the * out of the signature."
            )
