"""The schema's history, for Alembic. `persistence.schema` runs it; nobody needs an alembic.ini.

A new revision is a file in `versions/`, numbered on from the last, and its number goes into
`persistence.tables.HEAD`. Each runs in a transaction of its own, under live hosts. Its `readable_by` is the
oldest HEAD whose code may go on with the tables as this revision leaves them: that of the one before, where
columns (with defaults), tables and indexes were only added.
"""
