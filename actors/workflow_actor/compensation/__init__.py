"""Compensation: what is to be undone when a run fails or is cancelled, recorded before the step that it undoes.

- `intents`        what user code wants, and `wants` the events that become of that
- `events`         what is stored of them; `changes` applies that to the state
- `compensation`   a compensation in a run's state, and one that a sign keeps
- `awaited`        the sagas of user code: what is on their stacks, and how that is undone
- `shown`          what people see of them
"""
