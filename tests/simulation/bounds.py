"""How many bytes may be in one place at one time: by seed, and often next to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from dalsegno.actors.supervisor.database.lookups import LOAD_BYTES
from dalsegno.actors.supervisor.deliveries.mail import PAGE_BYTES
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.broker.held_bytes import HELD_BYTES


@dataclass(frozen=True, slots=True)
class Bounds:
    """`held` by a host's consumers, and `on_their_way` from it; what a `round` writes; of `cold` instances, and
    of one workflow's `mail`, what is read at once."""

    held: int
    on_their_way: int
    round: int
    cold: int
    mail: int

    @classmethod
    def of(cls, seed: int) -> Bounds:
        """Drawn by themselves, so that no other choice depends on them."""
        choose = Random(f"{seed} bounds").choice
        return cls(
            held=choose((HELD_BYTES, 1, 500)),
            on_their_way=choose((HELD_BYTES, HELD_BYTES, 1, 3_000)),
            round=choose((HostSettings().round_bytes, 1, 2_000)),
            cold=choose((LOAD_BYTES, 1, 2_000)),
            mail=choose((PAGE_BYTES, 1, 500)),
        )
