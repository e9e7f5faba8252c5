"""What workflow code runs on: a small deterministic event loop, and what user code has wanted on it.

- `event_loop`          asyncio without a world; `as_completed_order` gives asyncio.as_completed one order,
                        `task_group_exit` has TaskGroup know every cancellation
- `intent_ledger`       collects what code wants
- `refusals`            what answers code that may do nothing, or may only read
- `world_calls`         refuses what would give something else when code runs again
- `cancel_request`      a request to cancel the run, until its code has seen it; `cancelled_wait` is what a task
                        sees that is cancelled while it waits for something outside
"""
