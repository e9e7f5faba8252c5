"""Processes are killed with -9 at named points, one after the other, and everything must end as it should.

points     the table: where a process dies, and what must follow; in parts: `round_points`, `tenure_points`,
           `between_points`, `outside_points`
wrapping   how a point is put around production code, from outside
crossing   what happens when a point is passed
launch     the command line with all points around it; the production code knows of none of this
programs   workflows and activities that the processes run; `ledger` and `recorder` hold what really happened
story      what a client does around a kill; `caller` a client that is itself killed
scene      one kill, with the stories around it
stage      a namespace with its processes, on which kills happen
checks     what must hold after a kill, and at the end
runner     script/crash: the long run
"""
