"""Where an embedded broker lives on disk: its file, its lock, its socket; and who may own them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dalsegno.errors import ConfigurationError
from dalsegno.private_files import make_private

MAX_SOCKET_PATH_BYTES = 100
"""The system's limit is 107 on Linux and 103 on macOS."""

# Not tempfile.gettempdir(): owner and clients must agree whatever their TMPDIR says, and that may be long.
_SHORT_PATHS = Path("/tmp")


@dataclass(frozen=True, slots=True)
class Location:
    """The paths of the broker in file `path`, which is absolute and free of symbolic links."""

    path: Path

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Location:
        return cls(Path(path).expanduser().resolve())

    @property
    def lock(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    @property
    def socket(self) -> Path:
        """Beside the file, or in a private folder of short name when the system could not take that path."""
        beside = self.path.with_name(f"{self.path.name}.sock")
        if len(os.fsencode(beside)) <= MAX_SOCKET_PATH_BYTES:
            return beside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:32]
        return _SHORT_PATHS / f"dalsegno-{os.geteuid()}" / f"{digest}.sock"

    def prepare_socket_folder(self) -> None:
        """Raises ConfigurationError when the private folder is not ours alone."""
        folder = self.socket.parent
        if folder == self.path.parent:
            return
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)  # the umask may have taken more than the rights of others
        found = folder.lstat()
        if (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid != os.geteuid()
            or stat.S_IMODE(found.st_mode) & 0o077
        ):
            raise ConfigurationError(
                f"{folder} must be a folder that only you can enter: remove it, or choose a shorter path for "
                f"{self.path}."
            )


class OwnerLock:
    """The exclusive right to a broker's file, for as long as this process lives or until `release`."""

    def __init__(self, location: Location) -> None:
        """Raises ConfigurationError when the file has an owner, or its folder cannot be written."""
        try:
            make_private(location.lock)
            self._descriptor = os.open(location.lock, os.O_RDWR)
        except OSError as error:
            raise ConfigurationError(
                f"The embedded broker's file {location.path} cannot be used ({error.strerror}): "
                "name a file in a folder that exists and that you may write to."
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise ConfigurationError(
                f"The embedded broker's file {location.path} is owned by process {owner or 'unknown'}: "
                "stop that one, or connect to it instead of starting a second."
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        # The lock's file stays: whoever removes it could remove one that another process has just locked.
        os.close(self._descriptor)
