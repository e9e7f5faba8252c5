"""The parent process, its children and how it watches them.

- `parent`        starts, watches, restarts and stops each `child`; `signals` cut its waiting short
- `pulse`         what a child shows its parent; `watchdog` judges it; `stack` shows where code is stuck
- `parent_watch`  a child whose parent is gone ends
"""
