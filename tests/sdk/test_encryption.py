"""Sealed payloads: who can open them, and what is said where nobody can."""

from __future__ import annotations

import calendar
import pickle
from typing import Any, cast

import pytest

from dalsegno import (
    DataConverter,
    EncryptionCodec,
    Key,
    Keys,
    KeyScope,
    Payload,
    PayloadCodecError,
    PayloadContext,
    PayloadError,
    RawValue,
)

SECRET = bytes(range(32))
OTHER = bytes(range(1, 33))
FIRST, SECOND = Key("first", SECRET), Key("second", OTHER)
PLAIN = Payload("json/plain", b'"4711"')
ORDER = PayloadContext("order-7")


def in_month(month: int, *keys: Key, **options: Any) -> EncryptionCodec:
    moment = float(calendar.timegm((2027, month, 15, 12, 0, 0)))
    return EncryptionCodec(Keys(*(keys or (FIRST,))), **{"namespace": "shop", "now": lambda: moment, **options})


def test_what_is_sealed_shows_nothing_and_is_another_each_time_and_opens_again() -> None:
    codec = in_month(1)
    sealed, again = codec.encode(PLAIN, ORDER), codec.encode(PLAIN, ORDER)
    assert sealed.encoding == "encrypted/aes-256-gcm"
    assert b"4711" not in sealed.data
    assert b"json" not in sealed.data
    assert sealed != again
    assert codec.decode(sealed, ORDER) == codec.decode(again, ORDER) == PLAIN
    assert codec.encode(sealed, ORDER) == sealed  # not twice
    assert codec.decode(PLAIN, ORDER) == PLAIN  # of before there was a codec


def test_it_opens_in_another_process_that_was_given_the_codec() -> None:
    codec = EncryptionCodec(Keys(FIRST), namespace="shop")
    sealed = codec.encode(PLAIN, ORDER)
    assert pickle.loads(pickle.dumps(codec)).decode(sealed, ORDER) == PLAIN


def test_the_secret_is_changed_by_giving_the_new_one_as_the_last_and_then_as_the_first() -> None:
    old, both, new = in_month(1, FIRST), in_month(1, FIRST, SECOND), in_month(2, SECOND, FIRST)
    assert both.decode(old.encode(PLAIN, ORDER), ORDER) == PLAIN
    assert both.decode(new.encode(PLAIN, ORDER), ORDER) == PLAIN
    assert new.decode(old.encode(PLAIN, ORDER), ORDER) == PLAIN
    assert old.fingerprint != both.fingerprint


def test_a_key_that_is_gone_takes_with_it_what_it_sealed_and_says_which_it_was() -> None:
    sealed = in_month(1, FIRST).encode(PLAIN, ORDER)
    why = (
        r"with the key 'first' of 2027-01, which is not here: it can be read once the EncryptionCodec has that"
    )
    with pytest.raises(PayloadCodecError, match=why):
        in_month(2, SECOND).decode(sealed, ORDER)


def test_a_key_of_a_month_opens_that_month_alone() -> None:
    january, february = in_month(1).encode(PLAIN, ORDER), in_month(2).encode(PLAIN, ORDER)
    of_january = in_month(1, FIRST.of_month("shop", "2027-01"))
    assert of_january.decode(january, ORDER) == PLAIN
    assert in_month(1).decode(of_january.encode(PLAIN, ORDER), ORDER) == PLAIN
    with pytest.raises(PayloadCodecError, match="the key 'first' of 2027-02, which is not here"):
        of_january.decode(february, ORDER)
    with pytest.raises(PayloadCodecError, match="Nothing can be encrypted: there is no key for 2027-02 here"):
        in_month(2, FIRST.of_month("shop", "2027-01")).encode(PLAIN, ORDER)


def test_a_provider_that_stayed_at_the_key_of_a_month_before_seals_nothing_that_nobody_would_open() -> None:
    of_january = FIRST.of_month("shop", "2027-01")

    class Stayed:
        def sealing_key(self, scope: KeyScope, /) -> Key:
            return of_january

        def opening_key(self, key_id: str, scope: KeyScope, /) -> Key | None:
            return FIRST.of_month(scope.namespace, scope.month)

    def at(month: int) -> EncryptionCodec:
        moment = float(calendar.timegm((2027, month, 15, 0, 0, 0)))
        return EncryptionCodec(Stayed(), namespace="shop", now=lambda: moment)

    assert at(1).decode(at(1).encode(PLAIN, ORDER), ORDER) == PLAIN
    with pytest.raises(PayloadCodecError, match="key 'first' that was given for 2027-02 is one of 2027-01"):
        at(2).encode(PLAIN, ORDER)


def test_keys_may_be_of_whatever_a_provider_can_tell_apart() -> None:
    class OfCustomers:
        def __init__(self) -> None:
            self.kept = {"ada": FIRST, "bob": SECOND}

        def sealing_key(self, scope: KeyScope, /) -> Key:
            return self.kept[scope.workflow_id.split("-")[1]]

        def opening_key(self, key_id: str, scope: KeyScope, /) -> Key | None:
            return self.kept.get(scope.workflow_id.split("-")[1])

    keys = OfCustomers()
    codec = EncryptionCodec(keys, namespace="shop")
    of = {name: codec.encode(PLAIN, PayloadContext(f"order-{name}")) for name in ("ada", "bob")}
    del keys.kept["ada"]
    with pytest.raises(PayloadCodecError, match="which is not here"):
        codec.decode(of["ada"], PayloadContext("order-ada"))
    assert codec.decode(of["bob"], PayloadContext("order-bob")) == PLAIN


def test_a_payload_of_another_workflow_is_refused() -> None:
    sealed = in_month(1).encode(PLAIN, PayloadContext("order-8"))
    with pytest.raises(PayloadError, match=r"not one of workflow 'order-7', or was changed") as refused:
        in_month(1).decode(sealed, ORDER)
    assert not isinstance(refused.value, PayloadCodecError)


def test_what_a_schedule_starts_reads_what_was_written_for_its_action() -> None:
    codec = in_month(1)
    written = codec.encode(PLAIN, PayloadContext("report"))
    assert codec.decode(written, PayloadContext("report-2027-01-01T09:00:00Z")) == PLAIN
    assert codec.decode(written, PayloadContext("report-2027-01-01T09:00:00.500000Z")) == PLAIN
    with pytest.raises(PayloadError, match="not one of workflow"):
        codec.decode(written, PayloadContext("report-2027"))
    again = codec.encode(PLAIN, PayloadContext("report-2027-01-01T09:00:00Z"))  # is that of another schedule
    assert codec.decode(again, PayloadContext("report-2027-01-01T09:00:00Z-2028-01-01T09:00:00Z")) == PLAIN


@pytest.mark.parametrize("codec", [in_month(1, namespace="other"), in_month(1, Key("first", OTHER))])
def test_another_namespace_or_secret_is_told_from_a_change(codec: EncryptionCodec) -> None:
    with pytest.raises(
        PayloadCodecError, match="another secret than the one here, or it is of another namespace"
    ):
        codec.decode(in_month(1).encode(PLAIN, ORDER), ORDER)


def test_whatever_of_it_is_cut_off_or_changed_it_does_not_open() -> None:
    codec = in_month(1)
    sealed = codec.encode(PLAIN, ORDER)
    broken = [sealed.data[:length] for length in range(len(sealed.data))]
    for place in range(len(sealed.data)):
        changed = bytearray(sealed.data)
        changed[place] ^= 0x81
        broken.append(bytes(changed))
    for data in broken:
        with pytest.raises(PayloadError) as refused:
            codec.decode(Payload(sealed.encoding, data), ORDER)
        assert str(refused.value).endswith(".")
        assert "4711" not in str(refused.value)


def test_before_anyone_seals_all_may_open() -> None:
    reads = in_month(1, seal=False)
    assert reads.encode(PLAIN, ORDER) is PLAIN
    assert reads.decode(in_month(1).encode(PLAIN, ORDER), ORDER) == PLAIN


def test_payloads_that_are_not_sealed_may_be_refused() -> None:
    with pytest.raises(PayloadError, match="'json/plain' is not encrypted, and so not accepted"):
        in_month(1, accept_plain=False).decode(PLAIN, ORDER)


def test_a_value_that_stays_as_it_came_is_sealed_when_it_leaves_again() -> None:
    converter = DataConverter(payload_codec=in_month(1)).of_workflow("order-7")
    raw = converter.from_payload(converter.to_payload("4711"), RawValue)
    assert raw == RawValue(PLAIN)
    assert b"4711" not in converter.to_payload(raw).data
    assert converter.from_payload(converter.to_payload(raw), str) == "4711"


@pytest.mark.parametrize(
    ("made", "kind", "why"),
    [
        (lambda: Key("k", b"short"), ValueError, "has 5 bytes, but needs 32: take secrets.token_bytes"),
        (lambda: Key("k", cast(Any, "x" * 32)), TypeError, "The secret of key 'k' must be bytes, not str"),
        (lambda: Key("", SECRET), ValueError, "The id of a key"),
        (lambda: Key("k" * 201, SECRET), ValueError, "may have 200 bytes"),
        (lambda: Keys(), ValueError, "Keys needs a key"),
        (lambda: Keys(FIRST, Key("first", OTHER)), ValueError, "Two keys have the id 'first'"),
        (lambda: Keys(cast(Any, SECRET)), TypeError, "A key must be a Key"),
        (lambda: EncryptionCodec(cast(Any, SECRET), namespace="shop"), TypeError, "needs Keys.*not a bytes"),
        (lambda: EncryptionCodec(Keys(FIRST), namespace=""), ValueError, "namespace"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(made: Any, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why) as refused:
        made()
    assert repr(SECRET)[2:-1] not in str(refused.value)


def test_a_key_does_not_show_its_secret() -> None:
    assert repr(FIRST) == "Key(id='first', month=None)"
