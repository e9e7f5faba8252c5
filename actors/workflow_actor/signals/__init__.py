"""Signals: what is sent to a workflow, until a handler of its code has taken it.

- `commands`       what is asked of the instance; `decisions` says what comes of it
- `intents`        what code wants that is given one that does not fit; `wants` the events that become of that
- `set_aside`      one that is in the run's quarantine
- `strikes`        those that have killed hosts
- `events`         what is stored of them; `changes` applies that to the state
- `awaited`        how user code is given them
- `shown`          what people see of them
"""
