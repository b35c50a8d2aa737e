"""Topics and stances of Indonesian news sentences about North Korea, Russia and the United States.

>>> from classify import Classifier
>>> Classifier.from_pretrained().predict(["Pyongyang membantah menjual peluru kepada Moskow."])[0].labels  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Classifier", "Prediction", "__version__"]

if TYPE_CHECKING:
    from classify.classifier import Classifier, Prediction


def __getattr__(name: str) -> Any:
    # Deferred so that `classify --help` does not wait for numpy and onnxruntime.
    if name in ("Classifier", "Prediction"):
        from classify import classifier

        return getattr(classifier, name)
    raise AttributeError(f"module 'classify' has no attribute '{name}'")
