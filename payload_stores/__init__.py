"""Payload stores that are ready to use; `dalsegno.payload_store` has what one is.

- `folder`   files of a folder that hosts, workers and clients all see
- `sql`      a table of a database, of dalsegno's own or another
- `s3`       a bucket of S3, or of what speaks its protocol
"""
