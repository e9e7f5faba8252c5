"""The client: start workflows, signal and query them, wait for their results, look after them."""

from __future__ import annotations

from dalsegno.client.client import Client, Pong
from dalsegno.client.errors import NamespaceMissingError, NoAnswerError
from dalsegno.client.handle import WorkflowHandle
from dalsegno.client.start_options import StartOptions

__all__ = ["Client", "NamespaceMissingError", "NoAnswerError", "Pong", "StartOptions", "WorkflowHandle"]
