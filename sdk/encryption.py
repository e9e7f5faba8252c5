"""Payloads that only those can read who have the key (AES-256-GCM): `pip install "dalsegno[encryption]"`.

    keys = Keys(Key("2027-b", secret), Key("2027-a", secret_before))   # the first seals, all open
    DataConverter(payload_codec=EncryptionCodec(keys, namespace="shop"))

Each payload says the ID of its key and the month in which it was sealed. From the key's secret comes a key of
the namespace and month (HKDF), and from that one for each workflow, with which its payloads are sealed. Bound
to it they are, too: a payload that was moved to another workflow or namespace does not open, nor does one that
was changed.

*Shredding.* What no key opens is gone, in all backups, too. A secret that is destroyed takes with it all that
it sealed: those of a month if there is a new one each month, those of a person if a `KeyProvider` has one for
each. `Key.of_month` gives what opens one month alone; hosts that have such keys, and never the secret that they
came from, can forget a month.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from dalsegno import given
from dalsegno.errors import PayloadCodecError, PayloadError
from dalsegno.extras import imports_of_extras
from dalsegno.payload import Payload
from dalsegno.payload_codec import ENCRYPTED, PayloadContext

with imports_of_extras():
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEALED = f"{ENCRYPTED}/aes-256-gcm"
VERSION = 1
SECRET_BYTES_MIN = 32
KEY_ID_BYTES_MAX = 200
MONTH_BYTES = len("2027-01")
PROOF_BYTES = 4
"""By which a wrong key is known from a payload that was changed."""
NONCE_BYTES = 12
SECONDS_PER_DAY = 86_400
LABEL_BYTES = 2
"""Of the length of what the payload's encoding was, which is sealed, too."""
CIPHERS_MAX = 1_000
"""Of workflows, that are kept."""


class KeyScope(NamedTuple):
    """What a key is asked for: to seal or to open a payload of this workflow (`PayloadContext.scope`)."""

    namespace: str
    month: str
    """In which it is, or was, sealed, in UTC: "2027-01"."""
    workflow_id: str


@dataclass(frozen=True)
class Key:
    """`secret`: at least 32 random bytes (`secrets.token_bytes(32)`), not a password. `id` stands in the clear
    on all that it seals, and never means another secret."""

    id: str
    secret: bytes = field(repr=False)
    month: str | None = None
    """It is one of that month alone (`of_month`)."""

    def __post_init__(self) -> None:
        given.name("The id of a key", self.id)
        if len(self.id.encode()) > KEY_ID_BYTES_MAX:
            raise ValueError(f"The id of a key may have {KEY_ID_BYTES_MAX} bytes, not {len(self.id.encode())}.")
        if type(self.secret) is not bytes:
            raise TypeError(f"The secret of key {self.id!r} must be bytes, not {type(self.secret).__name__}.")
        if len(self.secret) < SECRET_BYTES_MIN:
            raise ValueError(
                f"The secret of key {self.id!r} has {len(self.secret)} bytes, but needs {SECRET_BYTES_MIN}: "
                f"take secrets.token_bytes({SECRET_BYTES_MIN})."
            )

    def of_month(self, namespace: str, month: str) -> Key:
        """With the same ID, for what was sealed in that namespace and month ("2027-01") alone."""
        return Key(self.id, _of_month(self, namespace, month), month)


class KeyProvider(Protocol):
    """Where keys come from. Both are called for each payload, by several threads and amid workflow code: they
    answer from memory. `ids`, if it has that, are those that it knows: a workflow that is suspended for want of
    a key is tried at once by a host that knows others, and otherwise after some time."""

    def sealing_key(self, scope: KeyScope, /) -> Key:
        """Raises PayloadCodecError if there is none now."""

    def opening_key(self, key_id: str, scope: KeyScope, /) -> Key | None:
        """None for one that is not here."""


class Keys:
    """A list: the first seals, all open. To change the secret, first give it everywhere as the last, then as
    the first. Of keys of months the first that is of this month seals."""

    def __init__(self, *keys: Key) -> None:
        """Raises TypeError for what is no Key, ValueError where one ID means two."""
        self._by_id: dict[tuple[str, str | None], Key] = {}
        for key in keys:
            if not isinstance(key, Key):
                raise given.wrong_type("A key", key, "a Key(id, secret)")
            if self._by_id.setdefault((key.id, key.month), key) is not key:
                raise ValueError(f"Two keys have the id {key.id!r}: what one of them has sealed would be lost.")
        if not keys:
            raise ValueError("Keys needs a key: Keys(Key(id, secret)).")

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(key_id if month is None else f"{key_id} of {month}" for key_id, month in self._by_id)

    def sealing_key(self, scope: KeyScope, /) -> Key:
        for key in self._by_id.values():
            if key.month is None or key.month == scope.month:
                return key
        raise PayloadCodecError(f"Nothing can be encrypted: there is no key for {scope.month} here.")

    def opening_key(self, key_id: str, scope: KeyScope, /) -> Key | None:
        return self._by_id.get((key_id, scope.month)) or self._by_id.get((key_id, None))


def _time() -> float:
    """`time.time` itself is replaced where the engine is loaded, and pickle refuses the one of before."""
    return time.time()


class EncryptionCodec:
    """`namespace`: a name of yours, the same for all who share payloads. `seal` False only opens: what is to be
    everywhere before the first one seals. `accept_plain` False refuses payloads that are not encrypted: once
    all are.

    A payload that is sealed already is not sealed again."""

    def __init__(
        self,
        keys: KeyProvider,
        *,
        namespace: str,
        seal: bool = True,
        accept_plain: bool = True,
        now: Callable[[], float] = _time,
    ) -> None:
        if isinstance(keys, Key):
            keys = Keys(keys)
        if isinstance(keys, type) or not (hasattr(keys, "sealing_key") and hasattr(keys, "opening_key")):
            # Not shown: it may be a secret.
            raise TypeError(f"EncryptionCodec needs Keys(Key(id, secret)), not a {type(keys).__name__}.")
        self._keys = keys
        self._namespace = given.name("namespace", namespace)
        self._seals = given.flag("seal", seal)
        self._accepts_plain = given.flag("accept_plain", accept_plain)
        self._now = now
        self._ciphers: dict[tuple[str, bytes, str, str], _Cipher] = {}

    def __getstate__(self) -> dict[str, Any]:
        """For processes of a worker's activities, which are given it over a pipe."""
        return {**vars(self), "_ciphers": {}}

    @property
    def fingerprint(self) -> str:
        return f"{self._namespace} {' '.join(getattr(self._keys, 'ids', ()))}"

    def encode(self, payload: Payload, context: PayloadContext, /) -> Payload:
        if payload.encoding == SEALED or not self._seals:
            return payload
        scope = KeyScope(self._namespace, _month_of(self._now() // SECONDS_PER_DAY), context.scope)
        key = self._keys.sealing_key(scope)
        if key.month not in (None, scope.month):  # by its ID and month nobody would find what it had sealed
            raise PayloadCodecError(
                f"Nothing can be encrypted: the key {key.id!r} that was given for {scope.month} is one of "
                f"{key.month}."
            )
        cipher = self._cipher(key, scope)
        nonce = os.urandom(NONCE_BYTES)
        inner = _labelled(payload.encoding) + payload.data
        return Payload(SEALED, cipher.header + nonce + cipher.aead.encrypt(nonce, inner, cipher.header))

    def decode(self, payload: Payload, context: PayloadContext, /) -> Payload:
        if payload.encoding != SEALED:
            if self._accepts_plain:
                return payload
            raise PayloadError(
                f"A payload of the encoding {payload.encoding[:100]!r} is not encrypted, and so not accepted."
            )
        data = payload.data
        if data[:1] not in (b"", b"%c" % VERSION):
            raise PayloadCodecError(
                "A payload was encrypted by a newer version of dalsegno: it can be read once that is here."
            )
        of_id = 2 + (data[1] if len(data) > 1 else 0)
        of_month = of_id + MONTH_BYTES
        end = of_month + PROOF_BYTES
        try:
            key_id, month = data[2:of_id].decode(), data[of_id:of_month].decode("ascii")
        except UnicodeDecodeError:
            raise _damaged() from None
        if len(data) < end + NONCE_BYTES:
            raise PayloadError("An encrypted payload is damaged: it is too short.")
        scope = KeyScope(self._namespace, month, context.scope)
        key = self._keys.opening_key(key_id, scope)
        if key is None:
            raise PayloadCodecError(
                f"A payload is encrypted with the key {key_id!r} of {month}, which is not here: it can be read "
                "once the EncryptionCodec has that key."
            )
        cipher = self._cipher(key, scope)
        if not hmac.compare_digest(cipher.header[-PROOF_BYTES:], data[of_month:end]):
            raise PayloadCodecError(
                f"A payload is encrypted with a key {key_id!r} that has another secret than the one here, or "
                f"it is of another namespace than {self._namespace!r}."
            )
        nonce = data[end : end + NONCE_BYTES]
        try:
            inner = cipher.aead.decrypt(nonce, data[end + NONCE_BYTES :], data[:end])
        except InvalidTag:
            raise PayloadError(
                f"An encrypted payload is not one of workflow {context.workflow_id!r}, or was changed."
            ) from None
        start = LABEL_BYTES + int.from_bytes(inner[:LABEL_BYTES])
        return Payload(inner[LABEL_BYTES:start].decode(), inner[start:])

    def _cipher(self, key: Key, scope: KeyScope) -> _Cipher:
        """Asked for by the secret itself: a key that is gone opens nothing any more."""
        known = self._ciphers.get((key.id, key.secret, scope.month, scope.workflow_id))
        if known is None:
            month = key.secret if key.month is not None else _of_month(key, scope.namespace, scope.month)
            own = _hmac(month, b"workflow\0" + scope.workflow_id.encode())
            key_id, proof = key.id.encode(), _hmac(month, b"proof")[:PROOF_BYTES]
            header = b"%c%c%b%b%b" % (VERSION, len(key_id), key_id, scope.month.encode(), proof)
            known = _Cipher(AESGCM(own), header)
            if len(self._ciphers) >= CIPHERS_MAX:
                self._ciphers.clear()
            self._ciphers[key.id, key.secret, scope.month, scope.workflow_id] = known
        return known


class _Cipher(NamedTuple):
    """Of one workflow, so that a random nonce is enough however many payloads a month has."""

    aead: AESGCM
    header: bytes
    """Of all that it seals: key, month, and its end a proof of the secret."""


@lru_cache(maxsize=10)
def _month_of(day: float) -> str:
    """Of a day since 1970, in UTC."""
    moment = time.gmtime(day * SECONDS_PER_DAY)
    return f"{moment.tm_year:04}-{moment.tm_mon:02}"


@lru_cache(maxsize=100)
def _labelled(encoding: str) -> bytes:
    label = encoding.encode()
    return len(label).to_bytes(LABEL_BYTES) + label


@lru_cache(maxsize=100)
def _of_month(key: Key, namespace: str, month: str) -> bytes:
    info = b"%b\0%b" % (namespace.encode(), month.encode())
    return HKDF(SHA256(), SECRET_BYTES_MIN, salt=b"dalsegno payloads", info=info).derive(key.secret)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _damaged() -> PayloadError:
    return PayloadError("An encrypted payload is damaged: it does not say its key.")
