"""Signals: what is sent to a workflow, until a handler of its code has taken it.

- `commands`       what is asked of the instance; `decisions` says what comes of it
- `events`         what is stored of them; `changes` applies that to the state
- `awaited`        how user code is given them
- `shown`          what people see of them
"""
