"""Deadlines: by when user code has promised to reach something. Time says when one is at risk or overdue,
whether code runs or not; code says when it is met.

- `deadline`       one in the state, and what a sign keeps of it
- `intents`        what user code asks for; `awaited` is how it does so, and what it does when it is told
- `wants`          what it wants, as events
- `events`         what is stored of them; `changes` applies that to the state
- `due`            when one is at risk or overdue, and what is done then
- `shown`          what people see of them, and the rows by which lists find them
"""
