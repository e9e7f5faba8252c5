"""Schedules: workflows that are started at times that are said beforehand.

Each is a workflow of dalsegno's own, with all that it knows at its sign. What is here is pure:

- `spec`      which times, as users write it; `times` says which they are, by `calendar`, `cron` and `zone`
- `schedule`  the rest of what users write, and what they see; `action` is what is started, `policies` choices
- `book`      what a schedule keeps
- `deciding`  what it does next
"""
