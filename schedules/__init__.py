"""Schedules: workflows that are started at times that are said beforehand.

`spec` is what users write of the times; `times` says which they are, by `calendar`, `cron` and `zone`. All
of it is pure.
"""
