"""Changes of the code of workflows that run: a part of `dalsegno.workflow`."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from dalsegno import given
from dalsegno._call_site import call_site
from dalsegno._info import Info
from dalsegno._runtime import current_runtime


@dataclass(frozen=True)
class PatchActivationInput:
    """What the patch activation callback of a host is asked about: a patch that the code of a run has come to
    for the first time, and that would count for it from now on."""

    patch_id: str
    workflow_info: Info


def patched(id: str) -> bool:  # noqa: A002 - named as in the Temporal SDK
    """Whether the change of the code that is named `id` counts for this run.

        if workflow.patched("charge-after-check"):
            await check()
        await charge()

    True for a run whose code comes by here for the first time now, and from then on; False for one that came by
    before the change was there. So both go on as they began. When no run is open that it is False for, put
    `deprecate_patch` in the place of the question, and when no host has code any more that asks, take that out.

    Raises TypeError for an `id` that is no text, ValueError for one that is no name, and for the run's 1,001st.
    """
    runtime = current_runtime("patched")
    return runtime.patched(given.name("The id of a patch", id), call_site(sys._getframe(1)))


def deprecate_patch(id: str) -> None:  # noqa: A002
    """The change that is named `id` counts for every open run: there is only the new code here. Hosts that
    still ask `patched` are told so. Raises as `patched`."""
    runtime = current_runtime("deprecate_patch")
    runtime.patched(given.name("The id of a patch", id), call_site(sys._getframe(1)))
