"""Live user code: coroutines on a small deterministic event loop, stepped with one input at a time.

- `program` is the code of one run since its last sign; `runtime` is what `workflow.*` calls reach
- `event_loop`, `conditions`, `as_completed_order`, `handlers`, `pending_activities`, `cancel_request`: what
  tasks wait for; `waits` tells people of it
- `intent_ledger` collects what code wants, `storable` looks whether it can be kept, `sign` sets a sign
- `replay` brings a program back and compares; `passivation` lets one go; `registry` knows which code there is
- `verdict`, `code_error`, `refusals`, `quarantine`: code that ends, errs, may not, or is not run
"""
