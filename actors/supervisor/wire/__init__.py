"""Between messages and the core.

- `translate`  messages become commands, effects become messages; pure
"""
