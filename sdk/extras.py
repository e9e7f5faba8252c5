"""What is not part of the base installation, and comes with one of its extras: `pip install "dalsegno[host]"`.

The base is what a client and a worker of one's own need. That an extra is missing is said in one sentence that
names it, wherever it is found out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dalsegno.errors import MissingExtraError

_PURPOSES = {
    "host": "Hosts, and whatever else uses the database, need",
    "cli": "The command line needs",
    "encryption": "EncryptionCodec needs",
    "s3": "S3PayloadStore needs",
    "explore": "explore() needs",
}
_EXTRAS = {
    "boto3": "s3",
    "botocore": "s3",
    "cryptography": "encryption",
    "hypothesis": "explore",
    "alembic": "host",
    "psycopg": "host",
    "pykka": "host",
    "sqlalchemy": "host",
    "rich": "cli",
    "typer": "cli",
    "watchfiles": "cli",
}
"""By the names under which their packages are imported."""


def missing_extra(error: ImportError) -> MissingExtraError | None:
    """What is to be installed, if what could not be imported comes with an extra."""
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    # A package that is there and broken is no ModuleNotFoundError: to install it again would not help.
    if extra is None or not isinstance(error, ModuleNotFoundError):
        return None
    return MissingExtraError(
        f"{_PURPOSES[extra]} more than the base installation has ({package} is missing): "
        f'pip install "dalsegno[{extra}]".',
        name=error.name,
    )


@contextmanager
def imports_of_extras() -> Iterator[None]:
    """Around imports: raises a MissingExtraError for what an extra would bring."""
    try:
        yield
    except ImportError as error:
        if (missing := missing_extra(error)) is not None:
            raise missing from error
        raise
