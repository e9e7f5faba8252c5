"""Incidents: an activity whose attempts are exhausted, and which waits for a person.

- `incident`       one that is open; the activity itself is in the phase PAUSED (see `activities.attempts`)
- `commands`       what is asked of the instance; `decisions` says what comes of it
- `shown`          what people see of them
"""
