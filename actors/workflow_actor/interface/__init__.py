"""What passes between the shell, an instance and its program, as data.

- `commands`      what the shell asks of an instance; a `cause` is a command with what brought it
- `inputs`        what user code is stepped with, kept in a `log` since the last sign
- `intents`       what user code wants; `program_port` is the seam that they pass through
- `effects`       messages that leave after the commit
- `decision`      what is decided about a command: events to record, and what needs no record
- `activation`    all that the shell has to write, and then to send
"""
