"""All that touches the world, and the tree of supervisors over it.

`engine` is everything between the broker, the database and the workflow actors, without I/O: it is told what
happened, and asks the world through the one protocol of `world`; `rounds` commits what came out. Its parts
are given what they need when they are made; whom they call back is in `upcalls`.

- `deliveries`  from a delivery, or a row of mail, to the cause that it is; what may be acknowledged
- `partition`   the supervisor of one partition; `wakeups` is its alarm clock
- `halted`      instances that cannot be run for a defect, and who takes their mail
- `round`       what is committed together, and who is told of it
- `off_loop`    what turns wait for meanwhile: local activities, on a thread of their own
- `outbox`      effects on their way, from the commit to the confirm
- `wire`        between messages and the core's commands and effects
- `people`      what is asked beside the path: the control queue, runs that are over
- `inbox`       commands that applications wrote in their own transactions, sent on
- `database`, `connection`  the store's threads, the host's connection to the broker
- `host`        the shell around the engine; `membership` is its seat among the hosts
- `parent`      the parent process, its children and how it watches them
- `failing`     fail-stop, restart intensity, strikes
- `settings`, `clock`, `host_id`  how a host is to be, database time, and what each life of a host is called
"""
