"""Calls that wait for something outside, on threads that are there only as long as there is something to do."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Errands:
    """`places`: how many run at once; the others wait, in order. Nothing is left behind when all are done, and
    none keeps the process from ending. Of what is cancelled before it has begun nothing is left either, however
    long those hang that have."""

    def __init__(self, places: int, name: str) -> None:
        self._places = places
        self._name = name
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Future[Any], Callable[[], Any]] = OrderedDict()
        self._threads = 0

    def run(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            self._waiting[future] = call
            is_served = self._threads >= self._places
            self._threads += not is_served
        future.add_done_callback(self._is_over)
        if is_served:
            return future
        threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        return future

    @property
    def is_at_work(self) -> bool:
        return self._threads > 0

    def _is_over(self, future: Future[Any]) -> None:
        if future.cancelled():
            with self._lock:
                self._waiting.pop(future, None)

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                future, call = self._waiting.popitem(last=False)
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - it is the caller's, in another thread
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, call
