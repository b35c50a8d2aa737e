"""The classifier: sentences in, labels and scores out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from classify.cache import LogitCache
from classify.decisions import decide, probabilities
from classify.engine import Engine, Int8Engine, open_engine
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from classify.occlusion import Word, words

# Sentences read ahead to sort by length: enough to find several of a length, few enough to stream.
LOOK_AHEAD = 512
# Tokens run at once. More fall out of the processor's cache: benchmarks/README.md has the measurements.
TOKENS = 512
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
        words: of labels that were to be explained, the words they rest on (:func:`classify.occlusion.words`).
    """

    text: str
    labels: dict[str, list[str]]
    scores: dict[str, float]
    review: tuple[str, ...] = ()
    words: Mapping[str, tuple[Word, ...]] = field(default_factory=dict)


class Classifier:
    """A model directory, ready to predict. Safe to call again and again; results do not depend on batch mates."""

    def __init__(self, directory: ModelDirectory, engine: Engine, profile: str = "balanced") -> None:
        self.directory = directory
        self._decisions = directory.decisions.profile(profile, directory.scheme)
        self._engine = engine
        self._tokenizer = directory.tokenizer()
        self._tokenizer.enable_truncation(min(directory.max_length, MAX_TOKENS), strategy="longest_first")

    @classmethod
    def from_pretrained(
        cls, path: str | Path | None = None, *, threads: int | None = None, profile: str = "balanced", precision: str = "auto"
    ) -> Classifier:
        """Open a model directory; without a path, the model that came with the package.

        Args:
            path: Hugging Face-style directory with ``config.json``, a tokenizer and ``onnx/`` or safetensors weights.
            threads: processor threads to use; None leaves the choice to the runtime.
            profile: ``balanced`` gives a label where F1 is best, ``precise`` only where it is almost surely right.
            precision: ``auto`` computes in 8-bit integers where the directory holds a graph that proved itself, ``fp32`` never does.

        Raises:
            ModelDirectoryError: when the directory is missing, incomplete or damaged.
            SettingsError: for an unknown profile or precision.
        """
        directory = ModelDirectory.open(path)
        return cls(directory, open_engine(directory, threads, precision), profile)

    @property
    def scheme(self) -> LabelScheme:
        """The labels this model gives."""
        return self.directory.scheme

    @property
    def uses_context(self) -> bool:
        """Whether the sentence before makes a difference to this model."""
        return self.directory.decisions.context

    @property
    def precision(self) -> str:
        """The arithmetic that runs: ``int8`` or ``fp32``."""
        return "int8" if isinstance(self._engine, Int8Engine) else "fp32"

    def predict(self, texts: Iterable[str], contexts: Iterable[str] | None = None, *, batch_size: int | None = None) -> list[Prediction]:
        """Classify sentences.

        Args:
            texts: the sentences.
            contexts: the sentence before each, ``""`` where there is none; ignored by models trained without context.
            batch_size: sentences run through the network at once, padded to the longest; changes speed and memory, not results.
                None runs sentences of one length together, without padding, which is fastest on a processor.
        """
        _check_list(texts, "predict")
        # A generator can be looked through only once.
        texts = list(texts)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("predict takes a list of sentences: one of these is no string")
        contexts = list(contexts) if contexts is not None else [""] * len(texts)
        if len(contexts) != len(texts):
            raise ValueError(f"{len(texts)} texts but {len(contexts)} contexts: give one context a text")
        return list(self.stream(zip(texts, contexts, strict=True), batch_size=batch_size))

    def stream(self, texts: Iterable[str | tuple[str, str]], *, batch_size: int | None = None) -> Iterator[Prediction]:
        """Classify any iterable of sentences, or of ``(sentence, sentence before)``, in order and in constant memory."""
        # Not in the generator itself, which would complain only when it is first read.
        _check_list(texts, "stream")
        _check(batch_size)
        return self._stream(iter(texts), batch_size)

    def _stream(self, source: Iterator[str | tuple[str, str]], batch_size: int | None) -> Iterator[Prediction]:
        cache = LogitCache()
        while window := [item if isinstance(item, tuple) else (item, "") for item in islice(source, LOOK_AHEAD)]:
            yield from self.window(window, batch_size=batch_size, cache=cache)

    def explain(self, texts: Iterable[str], contexts: Iterable[str] | None = None) -> list[dict[str, dict[str, Any]]]:
        """The evidence for every label given whose scheme says whose position it is (``holders``).

        For each text ``{label: {"holder": ..., "cue": ..., "words": [[start, end, weight], ...]}}`` as in the JSON Lines format: who
        says it and by what word (:mod:`classify.evidence`), and the words the model rests on (:mod:`classify.occlusion`). Offsets count
        characters of the text, those of an inherited holder characters of its context.

        Raises:
            LabelsError: when the scheme names no holders, or unknown ones.
        """
        from classify.evidence import check_holders, evidence
        from classify.sentences import Sentence, split

        check_holders(self.scheme)
        contexts = list(contexts) if contexts is not None else None
        predictions = self.predict(texts, contexts)
        contexts = contexts if contexts is not None else [""] * len(predictions)
        explained = []
        for prediction, before in zip(self.with_words(predictions, contexts), contexts, strict=True):
            sentence = Sentence(0, len(prediction.text), prediction.text)
            explained.append(evidence(sentence, list(split(before, whole=False)), self.scheme, prediction.labels, prediction.words))
        return explained

    def with_words(self, predictions: Sequence[Prediction], contexts: Sequence[str]) -> list[Prediction]:
        """The predictions with the words of every label given whose scheme says whose position it is; equal sentences are run once."""
        columns = {label.id: i for i, label in enumerate(self.scheme) if label.holders}
        found: dict[tuple[str, str], Mapping[str, tuple[Word, ...]]] = {}
        explained = []
        for prediction, context in zip(predictions, contexts, strict=True):
            given = [label for labels in prediction.labels.values() for label in labels if label in columns]
            key = (prediction.text, context if self.uses_context else "")
            if given and key not in found:
                weights = words(*key, [columns[label] for label in given], self._tokenizer, self._engine, TOKENS)
                found[key] = dict(zip(given, weights, strict=True))
            explained.append(replace(prediction, words=found[key]) if given else prediction)
        return explained

    def window(
        self, pairs: Sequence[tuple[str, str]], *, batch_size: int | None = None, cache: LogitCache | None = None
    ) -> list[Prediction]:
        """Classify some ``(sentence, sentence before)`` together; equal ones, and those in ``cache``, are not run again."""
        _check(batch_size)
        use = self.uses_context
        keys = [LogitCache.key(text, before if use else "") for text, before in pairs]
        found = {key: kept for key in keys if (kept := cache.get(key)) is not None} if cache is not None else {}
        fresh: dict[bytes, str | tuple[str, str]] = {}
        for key, (text, before) in zip(keys, pairs, strict=True):
            if key not in found:
                fresh[key] = (text, before) if use and before else text
        encodings = self._tokenizer.encode_batch(list(fresh.values()))
        names = list(fresh)
        for chosen in _batches([len(encoding) for encoding in encodings], batch_size):
            for i, logits in zip(chosen, self._engine.logits([encodings[i] for i in chosen]), strict=True):
                found[names[i]] = logits
                if cache is not None:
                    cache.put(names[i], logits)
        every = np.stack([found[key] for key in keys]) if keys else np.empty((0, len(self.scheme)), dtype=np.float32)
        scores = probabilities(every, self.scheme)
        given = decide(scores, self.scheme, self._decisions)
        ids = self.scheme.ids
        predictions = []
        for (text, _), row, flags in zip(pairs, scores, given, strict=True):
            labels = {
                group.id: [label.id for label, flag in zip(group.labels, flags[columns], strict=True) if flag]
                for group, columns in self.scheme.spans()
            }
            rounded = {label: round(float(score), 6) for label, score in zip(ids, row, strict=True)}
            review = tuple(label for label, score in rounded.items() if self._decisions.to_review(label, score))
            predictions.append(Prediction(text, labels, rounded, review))
        return predictions


def _check_list(texts: object, method: str) -> None:
    # A string is an iterable of strings too: its characters.
    if isinstance(texts, str):
        raise TypeError(f"{method} takes a list of sentences; for one sentence write {method}([text])")


def _check(batch_size: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")


def _batches(lengths: Sequence[int], batch_size: int | None) -> Iterator[list[int]]:
    """Which sentences to run together, shortest first: ``batch_size`` at a time, or those of one length up to ``TOKENS``."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    if batch_size is not None:
        yield from (order[begin : begin + batch_size] for begin in range(0, len(order), batch_size))
        return
    for length, alike in groupby(order, key=lengths.__getitem__):
        rest = iter(alike)
        while chosen := list(islice(rest, max(1, TOKENS // max(1, length)))):
            yield chosen
