"""The classifier: sentences in, labels and scores out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from classify.decisions import decide, probabilities
from classify.engine import Engine, open_engine
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory

# Sentences read ahead to sort by length: enough to fill batches with little padding, few enough to stream.
LOOK_AHEAD = 512
# Sentences are cut at this many tokens; the longest of 2,275 real ones (of at most 70 words) has 142.
MAX_TOKENS = 256


@dataclass(frozen=True)
class Prediction:
    """What the model says of one sentence.

    Attributes:
        text: the sentence.
        labels: for every group the ids of the labels given, in the scheme's order.
        scores: for every label its score between 0 and 1.
        review: labels whose score lies where half of their mistakes lay: a person should look there first.
    """

    text: str
    labels: dict[str, list[str]]
    scores: dict[str, float]
    review: tuple[str, ...] = ()


class Classifier:
    """A model directory, ready to predict. Safe to call again and again; results do not depend on batch mates."""

    def __init__(self, directory: ModelDirectory, engine: Engine, profile: str = "balanced") -> None:
        self.directory = directory
        self._decisions = directory.decisions.profile(profile, directory.scheme)
        self._engine = engine
        self._tokenizer = directory.tokenizer()
        self._tokenizer.enable_truncation(min(directory.max_length, MAX_TOKENS), strategy="longest_first")

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None, *, threads: int | None = None, profile: str = "balanced") -> Classifier:
        """Open a model directory; without a path, the model that came with the package.

        Args:
            path: Hugging Face-style directory with ``config.json``, a tokenizer and ``onnx/`` or safetensors weights.
            threads: processor threads to use; None leaves the choice to the runtime.
            profile: ``balanced`` gives a label where F1 is best, ``precise`` only where it is almost surely right.

        Raises:
            ModelDirectoryError: when the directory is missing, incomplete or damaged.
            SettingsError: for an unknown profile.
        """
        directory = ModelDirectory.open(path)
        return cls(directory, open_engine(directory, threads), profile)

    @property
    def scheme(self) -> LabelScheme:
        """The labels this model gives."""
        return self.directory.scheme

    @property
    def uses_context(self) -> bool:
        """Whether the sentence before makes a difference to this model."""
        return self.directory.decisions.context

    def predict(self, texts: Sequence[str], contexts: Sequence[str] | None = None, *, batch_size: int = 16) -> list[Prediction]:
        """Classify sentences.

        Args:
            texts: the sentences.
            contexts: the sentence before each, ``""`` where there is none; ignored by models trained without context.
            batch_size: sentences run through the network at once; changes speed and memory, not results.
        """
        if isinstance(texts, str):
            raise TypeError("predict takes a list of sentences; for one sentence write predict([text])")
        if contexts is not None and len(contexts) != len(texts):
            raise ValueError(f"{len(texts)} texts but {len(contexts)} contexts: give one context a text")
        pairs = zip(texts, contexts, strict=True) if contexts is not None else ((text, "") for text in texts)
        return list(self.stream(pairs, batch_size=batch_size))

    def stream(self, texts: Iterable[str | tuple[str, str]], *, batch_size: int = 16) -> Iterator[Prediction]:
        """Classify any iterable of sentences, or of ``(sentence, sentence before)``, in order and in constant memory."""
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        source = iter(texts)
        while window := [item if isinstance(item, tuple) else (item, "") for item in islice(source, LOOK_AHEAD)]:
            yield from self._window(window, batch_size)

    def _window(self, window: list[tuple[str, str]], batch_size: int) -> Iterator[Prediction]:
        import numpy as np

        use = self.uses_context
        encodings = self._tokenizer.encode_batch([(text, before) if use and before else text for text, before in window])
        order = sorted(range(len(window)), key=lambda i: len(encodings[i]))
        logits = np.empty((len(window), len(self.scheme)), dtype=np.float32)
        for begin in range(0, len(order), batch_size):
            chosen = order[begin : begin + batch_size]
            logits[chosen] = self._engine.logits([encodings[i] for i in chosen])
        scores = probabilities(logits, self.scheme)
        given = decide(scores, self.scheme, self._decisions)
        ids = self.scheme.ids
        for (text, _), row, flags in zip(window, scores, given, strict=True):
            labels = {
                group.id: [label.id for label, flag in zip(group.labels, flags[columns], strict=True) if flag]
                for group, columns in self.scheme.spans()
            }
            rounded = {label: round(float(score), 6) for label, score in zip(ids, row, strict=True)}
            review = tuple(label for label, score in rounded.items() if self._decisions.to_review(label, score))
            yield Prediction(text, labels, rounded, review)
