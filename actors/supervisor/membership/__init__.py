"""A process's seat among the hosts: membership, leases, giving up, leaving.

- `host_supervisor`      the actor; `ticker` ticks it, `host_listener` is what it tells the host's loop
- `tenure`, `shares`     what one life of a host holds, and who should own what
- `validity`, `vigil`    how long a host may believe in its own leases, and which others no longer renew theirs
- `loop_beat`            a lease vouches for the loop, not only for the thread that renews it
"""
