"""Other code is tried on runs, before it is deployed or when it has failed. It only reads; nothing is sent.

- `rehearse`    one run: its code is run again, as a host would that has this code
- `open_runs`   all open runs of a database, one after the other
- `history`     a run as one file
- `exporting`   a stored run becomes one
- `redaction`   what of its payloads leaves the namespace
- `importing`   it comes into another database, as a run that has ended
- `replaying`   code is run again with histories, here or in a `process`, of which `child` is the inside
- `bounded`     how long code may run
- `inventory`   what modules define, as data
- `difference`  what has changed from one inventory to another, and what that means for open runs
"""

from dalsegno.rehearsal.bounded import bounded
from dalsegno.rehearsal.exporting import history_of
from dalsegno.rehearsal.history import NewerHistoryError, UnusableHistoryError, WorkflowHistory
from dalsegno.rehearsal.open_runs import open_runs
from dalsegno.rehearsal.redaction import Redaction
from dalsegno.rehearsal.rehearse import HasActivity, Outlook, Rehearsed, rehearse, rehearse_state, unread
from dalsegno.rehearsal.replaying import ReplayCode, Replaying

__all__ = [
    "HasActivity",
    "NewerHistoryError",
    "Outlook",
    "Redaction",
    "Rehearsed",
    "ReplayCode",
    "Replaying",
    "UnusableHistoryError",
    "WorkflowHistory",
    "bounded",
    "history_of",
    "open_runs",
    "rehearse",
    "rehearse_state",
    "unread",
]
