"""Between messages and the core.

- `translate`  messages become commands, effects become messages; pure
- `replies`    what is answered to who asked; pure
"""
