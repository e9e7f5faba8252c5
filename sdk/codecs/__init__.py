"""Values by their annotations: what may be sent is restored as an equal value of the same type, or refused."""

from __future__ import annotations

from dalsegno.codecs.codec import Codec, Loss, Misfit, UnsupportedAnnotationError, shown_type
from dalsegno.codecs.compile import codec_of, write_any

__all__ = ["Codec", "Loss", "Misfit", "UnsupportedAnnotationError", "codec_of", "shown_type", "write_any"]
