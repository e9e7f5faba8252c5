"""The states of a shipment, and what may follow what.

READY -> IN_THE_AIR -> CONFIRMED
             |
             +--> READY                     its publisher closed: the next one sends it again
             +--> REFUSED -> IN_THE_AIR     its queue is full, or it meets a defect: sent again later
             +--> AWAITING_QUEUE -> READY   a task was returned: its queue is declared first
             +--> DROPPED                   an answer was returned: its reader is gone

READY, REFUSED -> BARRED -> READY           its exchange is closed to us, and open again (`barriers`)
                     +----> IN_THE_AIR      one of those that are barred tries, alone

When the broker closes a publisher over something, what that had in the air goes into the line-up (`line_up`):

IN_THE_AIR -> SUSPECT -> IN_THE_AIR         alone, when its turn comes. The channel closes over it again:
                             +--> UNSENDABLE -> WITHDRAWN    an effect: its owner says what becomes of it
                             +--> KEPT -> IN_THE_AIR         somebody's word, which no one else would send again
                             +--> WITHDRAWN                  an answer: an error goes in its place
                             +--> BARRED                     not it is to blame, but where it was going

Before it is sent at all it may have to stand BEHIND another message with its ID, or IN_LANE behind an earlier
one to its recipient, or to await its queue; and it may be known to be UNSENDABLE, as READY, BARRED or REFUSED
when it is encoded only as it leaves. The confirm of an older publisher counts whenever it comes, and an owner
may need a message no more at any time, so all that is on its way may become CONFIRMED or WITHDRAWN.

*Parked* is no state. A parked shipment is on its way in one of these, but no cause waits for it any more.
"""

from __future__ import annotations

from enum import Enum


class ShipmentState(Enum):
    READY = "nothing of its own keeps it: it leaves when a publisher is open and nobody stands in the line-up"
    BEHIND = "another message with its ID is on its way: its turn comes when that one's is over"
    IN_LANE = "it is on its way, and must not overtake what its run sent to the same recipient before (`lanes`)"
    AWAITING_QUEUE = "its task queue is being declared"
    BARRED = "its exchange is closed to us"
    IN_THE_AIR = "a publisher has it, and has not answered; if that is closed, it may or may not have arrived"
    SUSPECT = "it was in the air when the channel closed over one message; it stands in the line-up"
    REFUSED = "its queue did not take it: it is sent again after a pause, or sooner, when all are"
    KEPT = "the channel closes over it, and it must not be lost: it is tried now and then, alone"
    UNSENDABLE = "it cannot leave as it is: its owner was told, and decides"
    CONFIRMED = "over: the broker has it"
    DROPPED = "over: nobody reads or takes this answer, which is as good as its confirm"
    WITHDRAWN = "over: what follows from its not leaving is durable, or an error went in its place"

    # Members are singletons, and moves are many: Enum's own hash is a function in Python.
    __hash__ = object.__hash__


_S = ShipmentState

OVER = frozenset({_S.CONFIRMED, _S.DROPPED, _S.WITHDRAWN})
MAY_LEAVE = frozenset({_S.READY, _S.REFUSED})
NOT_TAKEN = MAY_LEAVE | {_S.IN_LANE}
"""What waits for its queue alone, or behind what does."""
MET_BY_BARRIER = MAY_LEAVE | {_S.SUSPECT, _S.IN_THE_AIR}
"""What is BARRED as soon as its exchange is closed; what stands elsewhere is when it would be READY."""

_ANY_TIME = frozenset({_S.CONFIRMED, _S.WITHDRAWN})

NEXT: dict[ShipmentState, frozenset[ShipmentState]] = {
    _S.READY: _ANY_TIME
    | {_S.IN_THE_AIR, _S.BARRED, _S.DROPPED}
    | {_S.BEHIND, _S.IN_LANE, _S.AWAITING_QUEUE, _S.UNSENDABLE},  # before it is sent at all
    _S.BEHIND: frozenset({_S.READY}),
    _S.IN_LANE: frozenset({_S.READY, _S.BARRED, _S.DROPPED, _S.WITHDRAWN}),
    _S.AWAITING_QUEUE: _ANY_TIME | {_S.READY, _S.BARRED},
    _S.BARRED: _ANY_TIME | {_S.READY, _S.IN_THE_AIR, _S.UNSENDABLE},
    _S.IN_THE_AIR: _ANY_TIME
    | {_S.READY, _S.BARRED, _S.SUSPECT}  # its publisher closed
    | {_S.REFUSED, _S.AWAITING_QUEUE, _S.DROPPED, _S.UNSENDABLE, _S.KEPT},  # it was not taken
    _S.SUSPECT: _ANY_TIME | {_S.READY, _S.BARRED, _S.IN_THE_AIR},
    _S.REFUSED: _ANY_TIME | {_S.BARRED, _S.IN_THE_AIR, _S.DROPPED, _S.UNSENDABLE},
    _S.KEPT: _ANY_TIME | {_S.IN_THE_AIR},
    _S.UNSENDABLE: _ANY_TIME,
    _S.CONFIRMED: frozenset(),
    _S.DROPPED: frozenset(),
    _S.WITHDRAWN: frozenset(),
}
