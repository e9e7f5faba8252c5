"""Queries: what is asked of a workflow's code, which may only read; they leave no trace.

- `commands`       what is asked of the instance; `decisions` says what comes of it
- `failures`       why there is no answer
- `strikes`        those that have killed hosts
"""
