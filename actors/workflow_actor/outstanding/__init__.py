"""Effects that are committed and not yet confirmed.

- `outstanding`    such effects as messages to be
- `confirmations`  which of them this process has seen confirmed
- `waiting_tasks`  tasks that nobody is known to have begun
"""
