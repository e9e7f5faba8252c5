"""What passes between the shell, an instance and its program, as data, as far as it is no primitive's.

- `commands`      what the shell asks of an instance; a `cause` is a command with what brought it
- `intent`        what user code wants
- `run_info`      what a run is, once and for all; `times` how times are written
- `due`           what falls due
- `effects`       messages that leave after the commit; `recipients` are told how a run has ended
- `workflow_of`   runs of other workflows
- `decision`      what is decided about a command: events to record, and what needs no record
- `waiting`       what a turn may wait for while the host's loop goes on
- `steps`         what may be much is done bit by bit
- `retries`       when what has failed is tried again
- `activation`    all that the shell has to write, and then to send
"""
