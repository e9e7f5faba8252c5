"""dalsegno: durable workflows as ordinary Python.

    from dalsegno import Client, Worker, activity, workflow

Whatever a public signature mentions or raises can be had from here, but for what `workflow` and `activity` have
of their own. Importing this loads what workflow and activity code needs and no more; what belongs to `Client`
and `Worker` is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dalsegno import activity, workflow
    from dalsegno._activities import ActivityOptions, ActivityOptionsAndArgs
    from dalsegno._continue_as_new import ContinueAsNewError
    from dalsegno._local_activities import LocalActivityOptions, LocalActivityOptionsAndArgs
    from dalsegno._ported import (
        CancelledError,
        TimeoutError,  # noqa: A004 - theirs
        WorkflowExecutionStatus,
        WorkflowFailureError,
        WorkflowQueryFailedError,
        is_cancelled_exception,
    )
    from dalsegno._runtime import ActivityHandle, NotInWorkflowError, ReadOnlyError
    from dalsegno.broker.port import Broker
    from dalsegno.broker.protocol.codec import MessageTooLargeError
    from dalsegno.broker.protocol.messages import (
        Description,
        HistoryEntry,
        HostInfo,
        ListedDeadline,
        OpenChild,
        OpenIncident,
        OpenRequest,
        PartitionInfo,
        PendingActivity,
        PendingCompensation,
        PendingTimer,
        PendingUpdate,
        RunDeadline,
        ShownSuspension,
        UnfitSignal,
        WorkflowSummary,
    )
    from dalsegno.client import (
        AsyncActivityHandle,
        Client,
        ClientTimings,
        Connecting,
        ListedIncident,
        NamespaceMissingError,
        NoAnswerError,
        OnSuspended,
        Pong,
        ScheduleAlreadyRunningError,
        ScheduleDescription,
        ScheduleHandle,
        ScheduleListDescription,
        ScheduleNotFoundError,
        ScheduleUpdate,
        ScheduleUpdateInput,
        StandaloneActivityHandle,
        StandaloneActivityOptions,
        StartOptions,
        StartOptionsAndArgs,
        Target,
        UnsendableError,
        WithStartWorkflowOperation,
        WorkflowHandle,
        WorkflowUpdateHandle,
    )
    from dalsegno.compression import CompressionCodec
    from dalsegno.data_converter import (
        DataConverter,
        DefaultFailureConverter,
        DefaultFailureConverterWithEncodedAttributes,
        FailureConverter,
    )
    from dalsegno.encryption import EncryptionCodec, Key, KeyProvider, Keys, KeyScope
    from dalsegno.errors import (
        ActivityError,
        ActivityFailureError,
        ActivityNotFoundError,
        ApplicationError,
        AsyncActivityCancelledError,
        BrokerUnavailableError,
        CanceledError,
        ChildWorkflowError,
        CommandRejectedError,
        CompensationError,
        ConfigurationError,
        DalsegnoError,
        DeadlineMissedError,
        DefinitionError,
        FailureError,
        FencedError,
        InvalidMessageError,
        MissingExtraError,
        NewerFormatError,
        NondeterminismError,
        PayloadCodecError,
        PayloadError,
        PayloadLostError,
        PayloadStoreError,
        QueryFailedError,
        RetryState,
        SchemaError,
        StoreUnavailableError,
        TerminatedError,
        TimedOutError,
        TimeoutType,
        TooSlowError,
        TopologyError,
        TransientError,
        UnreadableRowError,
        UnsupportedError,
        WorkerLostError,
        WorkflowAlreadyStartedError,
        WorkflowClosedError,
        WorkflowContinuedAsNewError,
        WorkflowFailedError,
        WorkflowNotFoundError,
        WorkflowQueryRejectedError,
        WorkflowUpdateFailedError,
    )
    from dalsegno.failure import Failure, FailureKind
    from dalsegno.handler_types import (
        QueryDecorator,
        QueryMethod,
        QueryOf,
        SignalDecorator,
        SignalMethod,
        SignalOf,
        UpdateDecorator,
        UpdateMethod,
        UpdateOf,
    )
    from dalsegno.loop_clock import LoopClock, SetTimer
    from dalsegno.observer import Observer
    from dalsegno.payload import DefaultPayloadConverter, Payload, PayloadConverter, RawValue
    from dalsegno.payload_codec import CodecChain, PayloadCodec, PayloadContext
    from dalsegno.payload_store import PayloadStore
    from dalsegno.payload_stores.folder import FolderPayloadStore
    from dalsegno.payload_stores.s3 import S3PayloadStore
    from dalsegno.payload_stores.sql import SQLPayloadStore
    from dalsegno.policies import (
        ActivityCancellationType,
        Duration,
        QueryRejectCondition,
        RetryPolicy,
        WorkflowIDConflictPolicy,
        WorkflowIDReusePolicy,
        WorkflowStatus,
        WorkflowUpdateStage,
    )
    from dalsegno.priority import Priority
    from dalsegno.reasons.reason import Reason, Why
    from dalsegno.schedules.action import ScheduleActionStartWorkflow
    from dalsegno.schedules.policies import ScheduleOverlapPolicy
    from dalsegno.schedules.schedule import (
        Schedule,
        ScheduleActionExecutionStartWorkflow,
        ScheduleActionResult,
        ScheduleBackfill,
        ScheduleInfo,
        SchedulePolicy,
        ScheduleState,
    )
    from dalsegno.schedules.spec import ScheduleCalendarSpec, ScheduleIntervalSpec, ScheduleRange, ScheduleSpec
    from dalsegno.schedules.working_hours import WorkingHours
    from dalsegno.search_attributes import (
        AttributeValue,
        SearchAttributeIndexedValueType,
        SearchAttributeKey,
        SearchAttributePair,
        SearchAttributeUpdate,
        TypedSearchAttributes,
    )
    from dalsegno.workers import Worker, WorkerTiming

__all__ = [
    "ActivityCancellationType",
    "ActivityError",
    "ActivityFailureError",
    "ActivityHandle",
    "ActivityNotFoundError",
    "ActivityOptions",
    "ActivityOptionsAndArgs",
    "ApplicationError",
    "AsyncActivityCancelledError",
    "AsyncActivityHandle",
    "AttributeValue",
    "Broker",
    "BrokerUnavailableError",
    "CanceledError",
    "CancelledError",
    "ChildWorkflowError",
    "Client",
    "ClientTimings",
    "CodecChain",
    "CommandRejectedError",
    "CompensationError",
    "CompressionCodec",
    "ConfigurationError",
    "Connecting",
    "ContinueAsNewError",
    "DalsegnoError",
    "DataConverter",
    "DeadlineMissedError",
    "DefaultFailureConverter",
    "DefaultFailureConverterWithEncodedAttributes",
    "DefaultPayloadConverter",
    "DefinitionError",
    "Description",
    "Duration",
    "EncryptionCodec",
    "Failure",
    "FailureConverter",
    "FailureError",
    "FailureKind",
    "FencedError",
    "FolderPayloadStore",
    "HistoryEntry",
    "HostInfo",
    "InvalidMessageError",
    "Key",
    "KeyProvider",
    "KeyScope",
    "Keys",
    "ListedDeadline",
    "ListedIncident",
    "LocalActivityOptions",
    "LocalActivityOptionsAndArgs",
    "LoopClock",
    "MessageTooLargeError",
    "MissingExtraError",
    "NamespaceMissingError",
    "NewerFormatError",
    "NoAnswerError",
    "NondeterminismError",
    "NotInWorkflowError",
    "Observer",
    "OnSuspended",
    "OpenChild",
    "OpenIncident",
    "OpenRequest",
    "PartitionInfo",
    "Payload",
    "PayloadCodec",
    "PayloadCodecError",
    "PayloadContext",
    "PayloadConverter",
    "PayloadError",
    "PayloadLostError",
    "PayloadStore",
    "PayloadStoreError",
    "PendingActivity",
    "PendingCompensation",
    "PendingTimer",
    "PendingUpdate",
    "Pong",
    "Priority",
    "QueryDecorator",
    "QueryFailedError",
    "QueryMethod",
    "QueryOf",
    "QueryRejectCondition",
    "RawValue",
    "ReadOnlyError",
    "Reason",
    "RetryPolicy",
    "RetryState",
    "RunDeadline",
    "S3PayloadStore",
    "SQLPayloadStore",
    "Schedule",
    "ScheduleActionExecutionStartWorkflow",
    "ScheduleActionResult",
    "ScheduleActionStartWorkflow",
    "ScheduleAlreadyRunningError",
    "ScheduleBackfill",
    "ScheduleCalendarSpec",
    "ScheduleDescription",
    "ScheduleHandle",
    "ScheduleInfo",
    "ScheduleIntervalSpec",
    "ScheduleListDescription",
    "ScheduleNotFoundError",
    "ScheduleOverlapPolicy",
    "SchedulePolicy",
    "ScheduleRange",
    "ScheduleSpec",
    "ScheduleState",
    "ScheduleUpdate",
    "ScheduleUpdateInput",
    "SchemaError",
    "SearchAttributeIndexedValueType",
    "SearchAttributeKey",
    "SearchAttributePair",
    "SearchAttributeUpdate",
    "SetTimer",
    "ShownSuspension",
    "SignalDecorator",
    "SignalMethod",
    "SignalOf",
    "StandaloneActivityHandle",
    "StandaloneActivityOptions",
    "StartOptions",
    "StartOptionsAndArgs",
    "StoreUnavailableError",
    "Target",
    "TerminatedError",
    "TimedOutError",
    "TimeoutError",
    "TimeoutType",
    "TooSlowError",
    "TopologyError",
    "TransientError",
    "TypedSearchAttributes",
    "UnfitSignal",
    "UnreadableRowError",
    "UnsendableError",
    "UnsupportedError",
    "UpdateDecorator",
    "UpdateMethod",
    "UpdateOf",
    "Why",
    "WithStartWorkflowOperation",
    "Worker",
    "WorkerLostError",
    "WorkerTiming",
    "WorkflowAlreadyStartedError",
    "WorkflowClosedError",
    "WorkflowContinuedAsNewError",
    "WorkflowExecutionStatus",
    "WorkflowFailedError",
    "WorkflowFailureError",
    "WorkflowHandle",
    "WorkflowIDConflictPolicy",
    "WorkflowIDReusePolicy",
    "WorkflowNotFoundError",
    "WorkflowQueryFailedError",
    "WorkflowQueryRejectedError",
    "WorkflowStatus",
    "WorkflowSummary",
    "WorkflowUpdateFailedError",
    "WorkflowUpdateHandle",
    "WorkflowUpdateStage",
    "WorkingHours",
    "activity",
    "is_cancelled_exception",
    "workflow",
]

_HOMES = {
    "dalsegno._activities": "ActivityOptions ActivityOptionsAndArgs",
    "dalsegno._continue_as_new": "ContinueAsNewError",
    "dalsegno._local_activities": "LocalActivityOptions LocalActivityOptionsAndArgs",
    "dalsegno._ported": (
        "CancelledError TimeoutError WorkflowExecutionStatus WorkflowFailureError WorkflowQueryFailedError "
        "is_cancelled_exception"
    ),
    "dalsegno._runtime": "ActivityHandle NotInWorkflowError ReadOnlyError",
    "dalsegno.broker.port": "Broker",
    "dalsegno.broker.protocol.codec": "MessageTooLargeError",
    "dalsegno.broker.protocol.messages": (
        "Description HistoryEntry HostInfo ListedDeadline OpenChild OpenIncident OpenRequest PartitionInfo "
        "PendingActivity PendingCompensation PendingTimer PendingUpdate RunDeadline ShownSuspension "
        "UnfitSignal WorkflowSummary"
    ),
    "dalsegno.client": (
        "AsyncActivityHandle Client ClientTimings Connecting ListedIncident NamespaceMissingError "
        "NoAnswerError OnSuspended Pong ScheduleAlreadyRunningError ScheduleDescription ScheduleHandle "
        "ScheduleListDescription ScheduleNotFoundError ScheduleUpdate ScheduleUpdateInput "
        "StandaloneActivityHandle StandaloneActivityOptions StartOptions "
        "StartOptionsAndArgs Target UnsendableError WithStartWorkflowOperation WorkflowHandle "
        "WorkflowUpdateHandle"
    ),
    "dalsegno.compression": "CompressionCodec",
    "dalsegno.data_converter": (
        "DataConverter DefaultFailureConverter DefaultFailureConverterWithEncodedAttributes FailureConverter"
    ),
    "dalsegno.encryption": "EncryptionCodec Key KeyProvider KeyScope Keys",
    "dalsegno.errors": (
        "ActivityError ActivityFailureError ActivityNotFoundError ApplicationError "
        "AsyncActivityCancelledError BrokerUnavailableError CanceledError ChildWorkflowError "
        "CommandRejectedError CompensationError ConfigurationError DalsegnoError DeadlineMissedError "
        "DefinitionError FailureError FencedError InvalidMessageError MissingExtraError NewerFormatError "
        "NondeterminismError PayloadCodecError PayloadError PayloadLostError PayloadStoreError "
        "QueryFailedError RetryState SchemaError "
        "StoreUnavailableError TerminatedError TimedOutError TimeoutType TooSlowError TopologyError "
        "TransientError UnreadableRowError UnsupportedError WorkerLostError WorkflowAlreadyStartedError "
        "WorkflowClosedError WorkflowContinuedAsNewError WorkflowFailedError WorkflowNotFoundError "
        "WorkflowQueryRejectedError WorkflowUpdateFailedError"
    ),
    "dalsegno.failure": "Failure FailureKind",
    "dalsegno.handler_types": (
        "QueryDecorator QueryMethod QueryOf SignalDecorator SignalMethod SignalOf UpdateDecorator "
        "UpdateMethod UpdateOf"
    ),
    "dalsegno.loop_clock": "LoopClock SetTimer",
    "dalsegno.observer": "Observer",
    "dalsegno.payload": "DefaultPayloadConverter Payload PayloadConverter RawValue",
    "dalsegno.payload_codec": "CodecChain PayloadCodec PayloadContext",
    "dalsegno.payload_store": "PayloadStore",
    "dalsegno.payload_stores.folder": "FolderPayloadStore",
    "dalsegno.payload_stores.s3": "S3PayloadStore",
    "dalsegno.payload_stores.sql": "SQLPayloadStore",
    "dalsegno.policies": (
        "ActivityCancellationType Duration QueryRejectCondition RetryPolicy WorkflowIDConflictPolicy "
        "WorkflowIDReusePolicy WorkflowStatus WorkflowUpdateStage"
    ),
    "dalsegno.priority": "Priority",
    "dalsegno.reasons.reason": "Reason Why",
    "dalsegno.schedules.action": "ScheduleActionStartWorkflow",
    "dalsegno.schedules.policies": "ScheduleOverlapPolicy",
    "dalsegno.schedules.schedule": (
        "Schedule ScheduleActionExecutionStartWorkflow ScheduleActionResult ScheduleBackfill ScheduleInfo "
        "SchedulePolicy ScheduleState"
    ),
    "dalsegno.schedules.spec": "ScheduleCalendarSpec ScheduleIntervalSpec ScheduleRange ScheduleSpec",
    "dalsegno.schedules.working_hours": "WorkingHours",
    "dalsegno.search_attributes": (
        "AttributeValue SearchAttributeIndexedValueType SearchAttributeKey SearchAttributePair "
        "SearchAttributeUpdate TypedSearchAttributes"
    ),
    "dalsegno.workers": "Worker WorkerTiming",
}
"""Where a name comes from, as above: it is loaded when it is first asked for."""
_LAZY = {name: module for module, names in _HOMES.items() for name in names.split()}

if not TYPE_CHECKING:  # type checkers see what is imported above, and that there is nothing else

    def __getattr__(name: str) -> Any:
        if name in ("activity", "workflow"):
            return import_module(f"dalsegno.{name}")
        module = _LAZY.get(name)
        if module is None:
            raise AttributeError(f"module 'dalsegno' has no attribute {name!r}")
        found = getattr(import_module(module), name)
        globals()[name] = found  # found without asking from now on
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
