"""Whether a worker keeps the wire protocol, whatever language it is in.

The kit plays the host, gives out tasks, and looks at what comes back; it needs a broker and nothing else.
`points` has what is asked, `Kit` asks it, in a `Trial`.
"""

from dalsegno.conformance.kit import Judgement, Kit
from dalsegno.conformance.point import ContractPoint, Level, NotMetError
from dalsegno.conformance.points import POINTS
from dalsegno.conformance.trial import Trial, TrialPatience

__all__ = ["POINTS", "ContractPoint", "Judgement", "Kit", "Level", "NotMetError", "Trial", "TrialPatience"]
