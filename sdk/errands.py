"""Calls that wait for something outside, on threads that are there only as long as there is something to do."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Errands:
    """`places`: how many run at once; the others wait, in order. Nothing is left behind when all are done, and
    none keeps the process from ending."""

    def __init__(self, places: int, name: str) -> None:
        self._places = places
        self._name = name
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads = 0

    def run(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            self._waiting.append((future, call))
            if self._threads >= self._places:
                return future
            self._threads += 1
        threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        return future

    @property
    def is_at_work(self) -> bool:
        return self._threads > 0

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                future, call = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - it is the caller's, in another thread
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, call
