"""Effects that are committed and not yet confirmed.

- `outstanding`    such effects as messages to be
- `confirmations`  which of them this process has seen confirmed
- `unheld`         those that no message holds, and when they are due
- `by_time`        those in the order of that
- `waiting_tasks`  tasks that nobody is known to have begun
"""
