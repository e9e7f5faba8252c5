"""Where the names of the package come from: each is loaded when it is first asked for."""

from __future__ import annotations

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
    "dalsegno.codecs.blob": "Blob",
    "dalsegno.codecs.log": "Log",
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
HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
