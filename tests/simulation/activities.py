"""What workers do: how long each activity takes, and what comes of it. The same arguments and attempt give
the same outcome, as far as a retry can tell. The ledger is outside the system under test."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random

from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.errors import ApplicationError
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from tests.default_converter import from_payload, to_failure, to_payload
from tests.simulation.scheduler import SECOND

FOR_GOOD = 99
"""So many failures mean that it fails for good."""

CLOSED_ACCOUNT = "closed"


class Ledger:
    """`balances` of accounts; what was booked under one idempotency key is booked once. `runs` counts how often
    the work of each attempt was done."""

    def __init__(self) -> None:
        self.balances: Counter[str] = Counter()
        self.runs: Counter[tuple[str, str, int]] = Counter()
        self.repaired: set[str] = set()
        """By their names, what persons have mended."""
        self.released: set[str] = set()
        """Workflow IDs whose held activities may end."""
        self.order: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        self.books: defaultdict[str, list[int]] = defaultdict(list)
        """What sagas have entered, each once."""
        self._keys: set[str] = set()

    def book(self, run_id: str, key: str, account: str, amount: int) -> None:
        if key not in self._keys:
            self._keys.add(key)
            self.balances[account] += amount
            self.order[run_id].append((account, amount))

    def enter(self, key: str, book: str, entry: int) -> None:
        if key not in self._keys:
            self._keys.add(key)
            self.books[book].append(entry)


class Work:
    """One attempt's work, begun."""

    def __init__(self, task: ActivityTask, random: Random) -> None:
        self.task = task
        self.microseconds = random.choice((1_000, 5_000, 20_000, 200_000))
        args = [from_payload(arg) for arg in task.args]
        self._args = args
        if task.activity_type == "slow":
            self.microseconds = round(args[0] * SECOND)
        elif random.random() < 0.05:
            self.microseconds = random.randrange(SECOND, 3 * SECOND)

    def do(self, ledger: Ledger) -> Payload | Failure:
        """The side effect, and the outcome."""
        task, args = self.task, self._args
        ledger.runs[task.run_id, task.activity_id, task.attempt] += 1
        try:
            match task.activity_type:
                case "add":
                    return to_payload(args[0] + args[1])
                case "slow":
                    return to_payload("slow")
                case "once":
                    return to_payload("done")
                case "held":
                    return to_payload(self._held(ledger))
                case "flaky":
                    return to_payload(self._flaky(args[0]))
                case "repair":
                    return to_payload(self._repair(ledger, args[1]))
                case "enter":
                    ledger.enter(task.idempotency_key, *args)
                    return to_payload(None)
                case "book":
                    self._book(ledger, *args)
                    return to_payload(None)
            raise AssertionError(f"no activity {task.activity_type!r}")
        except ApplicationError as error:
            failure = to_failure(error)
            return Failure(
                message=failure.message, type=failure.type, non_retryable=failure.non_retryable
            )  # without the stack, which has the paths of this machine

    def _held(self, ledger: Ledger) -> str:
        if self.task.workflow_id not in ledger.released:
            raise ApplicationError("not yet")
        return "held"

    @staticmethod
    def _repair(ledger: Ledger, name: str) -> str:
        if name not in ledger.repaired:
            raise ApplicationError("it is broken")
        return "repaired"

    def _flaky(self, failures: int) -> str:
        if failures == FOR_GOOD:
            raise ApplicationError("for good", non_retryable=True)
        if self.task.attempt <= failures:
            raise ApplicationError(f"not at attempt {self.task.attempt}")
        return "ok"

    def _book(self, ledger: Ledger, account: str, amount: int) -> None:
        if account.startswith(CLOSED_ACCOUNT):
            raise ApplicationError("this account is closed", non_retryable=True)
        ledger.book(self.task.run_id, self.task.idempotency_key, account, amount)
