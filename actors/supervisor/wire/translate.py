"""Between the wire and the core: messages become commands, effects become messages. Pure.

Each room has a module here; these are their tables, put together.
"""

from __future__ import annotations

from dalsegno.actors.supervisor.wire import activities, incidents, others, queries, runs, signals, updates
from dalsegno.actors.supervisor.wire.form import Commands, Forms

COMMANDS: Commands = {
    **runs.COMMANDS,
    **signals.COMMANDS,
    **incidents.COMMANDS,
    **queries.COMMANDS,
    **updates.COMMANDS,
    **activities.COMMANDS,
    **others.COMMANDS,
}
"""What a message to a workflow asks for. Others are no command to a workflow."""

FORMS: Forms = {**runs.FORMS, **updates.FORMS, **activities.FORMS, **others.FORMS}
"""How each effect leaves."""
