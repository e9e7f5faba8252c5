"""The memo of a run: the values that its start gave it to be shown, and what its code has made of them since.

- `intents`        what user code wants, and `wants` the event that becomes of that
- `events`         what is stored; `changes` applies that to the state
- `awaited`        how user code sees it, and changes it

Lists of the database hold the memo that the run began with; `describe` shows the one of now.
"""
