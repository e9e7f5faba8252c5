"""Other code is tried on the runs that are open, before it is deployed. It only reads, and nothing is sent.

- `rehearse`   one run: its code is run again, as a host would that has this code
- `open_runs`  all open runs of a database, one after the other
"""

from dalsegno.rehearsal.open_runs import open_runs
from dalsegno.rehearsal.rehearse import HasActivity, Outlook, Rehearsed, rehearse, unread

__all__ = ["HasActivity", "Outlook", "Rehearsed", "open_runs", "rehearse", "unread"]
