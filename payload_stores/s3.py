"""A payload store in a bucket of S3, or of what speaks its protocol: `pip install "dalsegno[s3]"`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from dalsegno import given
from dalsegno.extras import imports_of_extras

with imports_of_extras():
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

CONNECT_SECONDS = 3
READ_SECONDS = 10
ATTEMPTS = 2
_NOT_FOUND = frozenset({"NoSuchKey", "404", "NotFound"})


class S3PayloadStore:
    """`bucket` is there already. `prefix` stands before each key, and is of one namespace alone.
    `client_options` go to `boto3.client("s3", ...)`: `endpoint_url` for another server than Amazon's,
    `region_name`, credentials where the environment has none."""

    def __init__(self, bucket: str, *, prefix: str = "payloads/", **client_options: Any) -> None:
        """Nothing is connected to before it is used."""
        self._bucket = given.name("bucket", bucket)
        self._prefix = given.text("prefix", prefix)
        self._options = {
            "config": Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            ),
            **client_options,
        }
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._client: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """For processes of a worker's activities, which are given it over a pipe."""
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_client")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def put(self, key: str, data: bytes, /) -> None:
        # Always all of it: to make only the age anew is no less of a request, and some servers cannot.
        self._connected().put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def get(self, key: str, /) -> bytes | None:
        try:
            found = self._connected().get_object(Bucket=self._bucket, Key=self._prefix + key)
            with found["Body"] as body:
                data: bytes = body.read()
            return data
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NOT_FOUND:
                return None
            raise

    def delete(self, keys: Sequence[str], before: float, /) -> None:
        client = self._connected()
        for key in keys:
            where = {"Bucket": self._bucket, "Key": self._prefix + key}
            try:
                if client.head_object(**where)["LastModified"].timestamp() < before:
                    client.delete_object(**where)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _NOT_FOUND:
                    raise

    def keys(self, before: float, /) -> Iterator[str]:
        pages = self._connected().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
            for found in page.get("Contents", ()):
                if found["LastModified"].timestamp() < before:
                    yield found["Key"].removeprefix(self._prefix)

    def _connected(self) -> Any:
        with self._lock:  # to make one is not safe for threads; to use it is
            if self._client is None:
                self._client = boto3.session.Session().client("s3", **self._options)
            return self._client

    def __repr__(self) -> str:
        return f"S3PayloadStore({self._bucket!r}, prefix={self._prefix!r})"
