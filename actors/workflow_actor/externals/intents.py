"""What user code asks for."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.externals.external import ExternalSpec


class AskExternal(Struct, frozen=True, kw_only=True):
    """Its number counts what the run has asked other workflows for, from 1."""

    spec: ExternalSpec
    line: str = ""

    @property
    def digest(self) -> str:
        spec = self.spec
        name = f" {spec.name}" if spec.name else ""
        return f"external {spec.number} {spec.asked}{name} {spec.workflow_id}"


class ForgetExternal(Struct, frozen=True, kw_only=True):
    """Its answer is not waited for any more."""

    number: int
    line: str = ""

    @property
    def digest(self) -> str:
        return f"forget external {self.number}"
