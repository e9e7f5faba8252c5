"""Search attributes of a run: what it was started with, and what its code has made of that since.

- `declared`       what the namespace knows; `decisions` says what does not fit that
- `intents`        what user code wants, and `wants` the event that becomes of that
- `events`         what is stored; `changes` applies that to the state
- `awaited`        how user code sees them, and sets them
- `shown`          what people see of them, and the rows that lists find runs by
"""
