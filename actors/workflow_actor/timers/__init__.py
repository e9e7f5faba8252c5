"""Timers: `asyncio.sleep`, timeouts, and whatever else user code does at a later time.

- `intents`        what user code asks for; `awaited` is how it does so, and waits
- `wants`          what it wants, as events
- `events`         what is stored of them; `changes` applies that to the state, where a number has its time
- `due`            when one is due, and what is done then
- `shown`          what people see of them
"""
