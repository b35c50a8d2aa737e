"""Labelled sentences as the network reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classify.labels import LabelScheme
from training.dataset import Example, scored, targets
from training.noise import slip
from training.train_settings import TrainSettings


class Encoded(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Tokenised examples; in training contexts are dropped and slips made at random, anew each time a row is drawn."""

    def __init__(
        self,
        examples: Sequence[Example],
        scheme: LabelScheme,
        tokenizer: Any,
        settings: TrainSettings,
        training: bool,
        taught: NDArray[np.float32] | None = None,
    ) -> None:
        limit = min(settings.max_length, tokenizer.model_max_length)

        def encode(text: str, before: str = "") -> dict[str, list[int]]:
            pair = (text, before) if before else (text,)
            return dict(tokenizer(*pair, truncation="longest_first", max_length=limit))

        self._examples, self._encode = examples, encode
        self._plain = [encode(example.text) for example in examples]
        self._paired = [encode(example.text, example.context) for example in examples] if settings.context else self._plain
        self._targets = targets(examples, scheme)
        # A label in doubt neither teaches nor counts.
        self._targets[~scored(examples, scheme)] = np.nan
        if taught is not None:
            # Of what no label says, the teachers say all; where they say nothing, the label does.
            unknown = np.isnan(self._targets)
            for group, columns in scheme.spans():
                if group.exclusive:
                    # One answer for the group: in doubt about one label, it is the teachers' as a whole.
                    unknown[:, columns] = unknown[:, columns].any(axis=1, keepdims=True)
            share = np.where(unknown, 1.0, settings.distillation_weight)
            mixed = share * taught + (1 - share) * np.nan_to_num(self._targets)
            self._targets = np.where(np.isnan(taught), self._targets, mixed).astype(np.float32)
        self._context = settings.context
        self._drop = settings.context_dropout if training and settings.context else 0.0
        self._slips = settings.slips if training else 0.0
        self._seed = settings.seed
        self.restart()

    def restart(self) -> None:
        """Drop contexts and slip from now on as at the first time."""
        self._random = np.random.default_rng(self._seed)

    @property
    def targets(self) -> NDArray[np.float32]:
        """Of every sentence, ``(sentences, labels)``, NaN where unknown."""
        return self._targets

    def batches(self, collate: Any, size: int = 64) -> Iterator[dict[str, Tensor]]:
        """All sentences in order, as the model takes them."""
        for begin in range(0, len(self), size):
            batch = collate([self[i] for i in range(begin, min(begin + size, len(self)))])
            del batch["labels"]
            yield batch

    def __len__(self) -> int:
        return len(self._plain)

    def __getitem__(self, index: int) -> dict[str, Any]:
        drop = self._drop > 0 and self._random.random() < self._drop
        if self._slips > 0 and self._random.random() < self._slips:
            example = self._examples[index]
            before = example.context if self._context and not drop else ""
            return {**self._encode(slip(example.text, self._random), before), "labels": self._targets[index]}
        return {**(self._plain if drop else self._paired)[index], "labels": self._targets[index]}


class Collator:
    """Pads to the longest row of the batch."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Tensors of shape ``(batch, longest)``, labels ``(batch, labels)``."""
        encoded = [{key: value for key, value in row.items() if key != "labels"} for row in rows]
        batch = dict(self._tokenizer.pad(encoded, return_tensors="pt"))
        batch["labels"] = torch.from_numpy(np.stack([row["labels"] for row in rows]))
        return batch
