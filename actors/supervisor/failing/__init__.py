"""What is done when something fails.

- `fail_stop`          what nobody expected ends the process
- `restart_intensity`  more than N restarts within a period, and the supervisor escalates
- `strikes`            how often a run's code killed its host
- `state_log`          trouble that lasts is said once when it begins, and once when it is over
"""
