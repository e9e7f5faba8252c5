"""The filter language of lists: `Status in (running, failed) and Type = "Order" and StartTime > -1d`.

- `fields`     what can be asked for: names, kinds, columns
- `tokens`     a text as words, each with its place
- `conditions` what a filter says, as data
- `grammar`    words as a condition; what is wrong is told with its place
- `sql`        a condition as SQL, and what of it leads to one place of an index
"""
