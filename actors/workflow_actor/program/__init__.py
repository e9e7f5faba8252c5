"""Live user code: coroutines on a small deterministic event loop, stepped with one input at a time.

- `port` is the seam between it and the instance
- `program` is the code of one run since its last sign; `life` says what it does now, which is a `phase`, and
  how that ends; `runtime` is what `workflow.*` calls reach
- `seldom` is what it asks of other workflows, and deadlines: made when it first does
- `entry` is what its run method is entered with; `handlers` are its handlers, `handling` is what is given to
  them (`unfinished`: when the run ends before them); `conditions` is what tasks wait for
  beside what the rooms of the primitives have (`awaited`); `waits` tells people of all of it
- `intercepted`: interceptors around it, if the host has any; `outbound` is what they see of its calls
- `reading` runs code that may only read; `storable` looks whether what code wants can be kept; `sign` sets a
  sign
- `history` is what code may know of its length
- `replay` brings a program back and compares; `passivation` lets one go; `registry` knows which code there is
- `verdict`, `code_error`, `quarantine`: code that ends, errs, or is not run
"""
