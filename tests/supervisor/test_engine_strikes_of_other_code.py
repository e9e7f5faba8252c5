"""Code that kills its host is suspended; other code is tried, and kills no more hosts than the first did."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from dalsegno.actors.supervisor.failing.strikes import STRIKES_LIMIT, struck_point
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import Program
from dalsegno.actors.workflow_actor.run.inputs import Begin, Input, SignedState
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.timers.events import TimerFired
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.ids import run_id
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import command, signal, start
from tests.supervisor.scripted_database import Database
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import SECOND, T0, Script, ScriptedCode, ScriptedProgram, Step, timer

MANY = 10
"""More lives than any of these needs."""

Deadly = Callable[[Input], bool]


class Mark:
    """What the parent would find in the pulse."""

    def __init__(self) -> None:
        self.run_id = ""
        self.cause = ""
        self.code = ""

    def enter(self, run_id: str, cause: str, code: str) -> None:
        self.run_id, self.cause, self.code = run_id, cause, code

    def leave(self) -> None: ...


class AskedProgram(ScriptedProgram):
    """Tells which query is asked."""

    on_query: Callable[[str], None]

    def query(self, name: str, args: Sequence[Payload], headers: object = None) -> Payload:
        self.on_query(name)
        return super().query(name, args)

    def query_handler(self, name: str) -> str | None:
        return None if name.startswith("any") else name


class AskedCode(ScriptedCode):
    def __init__(self, script: Script, on_query: Callable[[str], None], *, source: str) -> None:
        super().__init__(script, source=source)
        self._on_query = on_query

    def build(self, info: RunInfo, signed: SignedState, patches: Sequence[str] = ()) -> Program | None:
        if info.workflow_type not in self.types:
            return None
        program = AskedProgram(self.script, self.signs[signed.signs])
        program.on_query = self._on_query
        return program


class Life:
    """That of one host: until all is done, or until its code kills it. Then it writes nothing any more, and its
    parent strikes."""

    def __init__(
        self,
        database: Database,
        source: str,
        deadly: Deadly,
        *,
        knows_type: bool = True,
        deadly_queries: Container[str] = (),
    ) -> None:
        self.mark = Mark()
        self.died_at: str | None = None
        self._deadly = deadly
        self._deadly_queries = deadly_queries
        code = AskedCode(self._step, self._asked, source=source)
        self.world = ScriptedWorld(code, watch=self.mark)
        if not knows_type:
            self.world.code.types.clear()  # type: ignore[attr-defined]
        self.world.database = database

    def _step(self, index: int, input_: Input) -> Step:
        self._may_die(deadly=self._deadly(input_))
        return [timer(1, T0 + 5 * SECOND)] if isinstance(input_, Begin) else []

    def _asked(self, name: str) -> None:
        self._may_die(deadly=name in self._deadly_queries)

    def _may_die(self, *, deadly: bool) -> None:
        if self.died_at is None and deadly:
            self.died_at = self.mark.cause
            self.world.commit = lambda round_: None  # type: ignore[method-assign]
            point = struck_point(self.mark.cause, self.mark.code)
            strikes = dict(self.world.database.strikes.get(self.mark.run_id, ()))
            strikes[point] = strikes.get(point, 0) + 1
            self.world.database.strikes[self.mark.run_id] = tuple(strikes.items())
        if self.died_at is not None:
            raise RuntimeError("this host is dead")

    def live(self, mail: Sequence[Message]) -> bool:
        """True if it survives."""
        world = self.world
        world.own()
        for message in mail:
            world.deliver(message, redelivered=True)
        world.engine.suspended_found(FIRST, "", [row.workflow_id for row in world.database.rows.values()])
        world.go_on()
        for _ in range(40):
            if self.died_at is None:
                world.live_through(0.5)
        return self.died_at is None


def deaths(database: Database, code: str, deadly: Deadly, mail: Sequence[Message] = ()) -> int:
    """How many hosts with that code die before one lives on."""
    for number in range(MANY):
        if Life(database, code, deadly).live(mail):
            return number
    raise AssertionError(f"they die again and again: {database.strikes}")


def at_signals(input_: Input) -> bool:
    return isinstance(input_, Signaled)


def at_once(input_: Input) -> bool:
    return True


def at_timers(input_: Input) -> bool:
    return isinstance(input_, TimerFired)


def never(input_: Input) -> bool:
    return False


def status(database: Database) -> WorkflowStatus:
    return database.rows["w"].status


def test_other_code_gets_strikes_of_its_own_and_is_not_tried_again() -> None:
    database = Database()
    assert deaths(database, "code-1", at_signals, [start(), signal("s")]) == STRIKES_LIMIT
    assert status(database) is WorkflowStatus.SUSPENDED

    assert deaths(database, "code-2", at_signals) == STRIKES_LIMIT
    assert status(database) is WorkflowStatus.SUSPENDED
    assert deaths(database, "code-2", at_signals) == 0

    assert deaths(database, "code-3", never) == 0
    assert status(database) is WorkflowStatus.RUNNING


def test_code_that_kills_its_host_at_a_start_is_tried_again_when_it_is_other_code() -> None:
    database = Database()
    assert deaths(database, "code-1", at_once, [start()]) == STRIKES_LIMIT
    assert status(database) is WorkflowStatus.SUSPENDED
    assert deaths(database, "code-2", at_once) == STRIKES_LIMIT
    assert status(database) is WorkflowStatus.SUSPENDED
    assert deaths(database, "code-2", at_once, [signal("s1"), signal("s2")]) == 0


def test_code_that_kills_its_host_at_a_timer_is_tried_again_when_it_is_other_code() -> None:
    database = Database()
    assert deaths(database, "code-1", at_timers, [start()]) == STRIKES_LIMIT
    assert deaths(database, "code-2", at_timers) == STRIKES_LIMIT
    assert deaths(database, "code-2", at_timers) == 0
    assert status(database) is WorkflowStatus.SUSPENDED


def test_hosts_of_two_codes_that_take_it_in_turns_do_not_die_of_it_for_ever() -> None:
    database = Database()
    assert deaths(database, "code-1", at_signals, [start(), signal("s")]) == STRIKES_LIMIT
    assert deaths(database, "code-2", at_signals) == STRIKES_LIMIT
    for _ in range(3):
        assert deaths(database, "code-1", at_signals) == 0
        assert deaths(database, "code-2", at_signals) == 0
        assert status(database) is WorkflowStatus.SUSPENDED


def test_strikes_add_up_though_a_host_without_the_type_has_it_in_between() -> None:
    database = Database()
    assert Life(database, "without", never, knows_type=False).live([start()])
    died = 0
    for _ in range(MANY):
        died += not Life(database, "code-1", at_once).live([])
        assert Life(database, "without", never, knows_type=False).live([])
    assert died == STRIKES_LIMIT


def test_strikes_add_up_whatever_comes_first_to_try_it() -> None:
    database = Database()
    deaths(database, "code-1", at_once, [start()])
    assert not Life(database, "code-2", at_once).live([])
    assert not Life(database, "code-2", at_once).live([signal("s1")])
    assert Life(database, "code-2", at_once).live([signal("s2")])
    assert status(database) is WorkflowStatus.SUSPENDED


def test_what_is_resumed_with_the_same_code_stays_suspended_when_it_kills_again() -> None:
    database = Database()
    deaths(database, "code-1", at_signals, [start(), signal("s")])
    resume = command(wire.ResumeWorkflow(workflow_id="w"), "r")
    assert deaths(database, "code-1", at_signals, [resume]) == STRIKES_LIMIT
    assert status(database) is WorkflowStatus.SUSPENDED


def test_a_start_that_takes_the_place_of_a_run_and_kills_its_host_suspends_the_new_run() -> None:
    database = Database()
    assert deaths(database, "code-1", never, [start()]) == 0
    replacing = start("start-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)
    assert deaths(database, "code-1", at_once, [replacing]) == STRIKES_LIMIT
    assert status(database) is WorkflowStatus.SUSPENDED
    assert database.rows["w"].run_id == run_id("w", "start-2")
