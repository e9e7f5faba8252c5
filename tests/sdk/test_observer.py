from __future__ import annotations

from typing import Any

import pytest

from dalsegno import Client, Observer, Worker, activity
from dalsegno.errors import ConfigurationError
from dalsegno.observer import HOOKS, contained


class Spiteful(Observer):
    def partition_taken(self, partition: int) -> None:
        raise RuntimeError("not today")


class Partial:
    def partition_taken(self, partition: int) -> None: ...


@activity.defn
async def rest() -> None: ...


def test_what_an_observer_raises_harms_nobody_and_what_it_has_no_hook_for_is_nothing() -> None:
    observer = contained(Spiteful())
    assert observer is not None
    observer.partition_taken(3)
    observer.partition_given_up(3)
    observer.attempt_ended("rest", "completed", 0.5)


def test_nobody_observes_where_none_is_given() -> None:
    assert contained(None) is None


@pytest.mark.parametrize("observer", [7, Spiteful, Partial()])
def test_what_is_no_observer_is_refused_in_a_sentence(observer: Any) -> None:
    for attempt in (
        lambda: Worker("embedded:broker.db", activities=[rest], observer=observer),
        lambda: Client.connect("embedded:broker.db", observer=observer),
        lambda: contained(observer),
    ):
        with pytest.raises(ConfigurationError, match="observer must be an Observer or None, not"):
            attempt()


def test_the_hooks_are_these() -> None:
    assert HOOKS == (
        "activation_done",
        "round_committed",
        "commit_failed",
        "messages_acknowledged",
        "message_refused",
        "workflow_suspended",
        "workflow_resumed",
        "partition_taken",
        "partition_given_up",
        "attempt_begun",
        "attempt_ended",
        "request_repeated",
    )
