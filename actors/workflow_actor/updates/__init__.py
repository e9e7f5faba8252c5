"""Updates: what is sent to a workflow and answered by it, once a handler of its code is through with it.

- `commands`       what is asked of the instance; `decisions` says what comes of it
- `intents`        what user code wants, and `wants` the events that become of that
- `events`         what is stored of them; `changes` applies that to the state
- `update`         an update in a run's state, and how it came out
- `awaited`        how user code is given them
- `sends`          what leaves; `shown` is what people see of them
"""
