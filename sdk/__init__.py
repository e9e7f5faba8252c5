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
    from dalsegno.codecs.blob import Blob
    from dalsegno.codecs.log import Log
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
    "Blob",
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
    "Log",
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

if not TYPE_CHECKING:  # type checkers see what is imported above, and that there is nothing else

    def __getattr__(name: str) -> Any:
        if name in ("activity", "workflow"):
            return import_module(f"dalsegno.{name}")
        from dalsegno._homes import HOME_OF

        module = HOME_OF.get(name)
        if module is None:
            raise AttributeError(f"module 'dalsegno' has no attribute {name!r}")
        found = getattr(import_module(module), name)
        globals()[name] = found  # found without asking from now on
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
