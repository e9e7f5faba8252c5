"""The host's connection to the broker.

- `broker_link`       opened, watched, and rebuilt whole after any close; `channel_limit`: whether it may be
- `services`          the queues that every host consumes beside its partitions'
- `namespace_keeper`  sees to it that exchanges, queues and bindings are there; `task_queues` declares tasks',
                      `level_queues` sees to it that somebody reads those of their levels
- `hearing`           whether the broker still takes something from us; `starved`: whether it gives something
"""
