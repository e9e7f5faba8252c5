"""Wakes instances when their time has come.

- `alarm_clock`  of one partition: looks ahead in the database, wakes what is due
- `wake_timer`   of all clocks of an engine
- `wakeups`      the heap of what is due soon
"""
