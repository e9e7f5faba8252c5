"""One workflow instance: what it was told becomes events, and user code is stepped with it. No I/O, no clock.

The way of a command: `actor` holds the mailbox (`surroundings` is what it asks of those around it), and `gates`
says what a cause has to pass on its way out of it (`again`: did it come before? `blame`: has it killed hosts?
`struck_requests`: then the code may be spared it).
`instance` tells what a command does to one workflow, `at_rest` how it comes to be, and what can be asked of it
between two commands. A `turn` is what one activation collects; `wake_up` does what is due, and `code_retries`
says when code that is stuck is tried again. `open_turn` says what becomes of a turn that waits for something,
`turn_keeping` is the actor's part in that, `local_works` what the host is to do for one, and `payloads_needed`
what it is to fetch before. `questions`
answers what only reads, and `admission` is what is refused at the door (`format_needed`: what
of it for an older stored format alone), `found_by` what search attributes have
to pass, and the rows by which it is found, `with_start` what becomes of a signal or update that comes with a
start. `stand_in` stands in for the state of an instance that cannot be run.

- `interface`    what passes between shell, instance and program, as data
- `loop`         what workflow code runs on
- `activities`   what user code asks of workers: one room for all that is theirs
- `local_activities`  those that the host itself runs
- `incidents`    activities that failed and wait for a person
- `timers`       what it does at a later time; the same
- `signals`      what it is sent; `queries` what it is asked; the same
- `updates`      what it is sent, and answers; the same
- `compensation`  what is to be undone of it when it fails; the same
- `children`     what it starts beside it; `externals` what it asks of other workflows; the same
- `attributes`   search attributes, by which it is found; the same
- `memo`         values that are shown with it; the same
- `patches`      changes of its code that a run has taken; the same
- `deadlines`    by when it has promised to reach what; the same
- `run`          the state of one run, its events, and the pure functions `decide` and `apply`
- `outstanding`  effects that are committed and not yet confirmed
- `built_in`     workflows of dalsegno's own
- `program`      live user code on its small event loop, and how it is brought back
- `stored`       events and snapshots as bytes, and the way back
- `shown`        what others see of a run: descriptions, answers, rows of the visibility table
"""
