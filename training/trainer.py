"""The library's trainer with what its arguments do not hold."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Trainer

from classify.labels import LabelScheme
from training.encoding import Encoded
from training.headstart import start_head
from training.loss import GroupedLoss


class GroupedTrainer(Trainer):
    """The library's trainer with the loss of this scheme and, where asked for, slower lower layers."""

    def __init__(self, *args: Any, grouped_loss: GroupedLoss, layer_decay: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.set_recipe(grouped_loss, layer_decay)

    # The training sentences as they are read when the model predicts, where the head is to be fitted to them first.
    known: Encoded | None = None

    def give_head_start(self, model: Any, scheme: LabelScheme) -> None:
        """Fit the head of a fresh model, if that is the recipe."""
        if self.known is not None:
            start_head(model, self.known.batches(self.data_collator), self.known.targets, self.loss, scheme)

    def set_recipe(self, grouped_loss: GroupedLoss, layer_decay: float) -> None:
        """Say what the library's arguments do not hold."""
        self.loss, self._layer_decay = grouped_loss, layer_decay

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """The grouped loss instead of the model's own."""
        inputs = dict(inputs)
        wanted = inputs.pop("labels")
        outputs = model(**inputs)
        loss = self.loss(outputs["logits"], wanted)
        return (loss, outputs) if return_outputs else loss

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """AdamW; with ``layer_decay`` below 1, learning rates fall geometrically towards the embeddings."""
        if self._layer_decay == 1.0 or self.optimizer is not None:
            return super().create_optimizer(*args, **kwargs)
        model: Any = self.model
        depth = int(model.config.num_hidden_layers) + 1
        groups: dict[tuple[int, bool], dict[str, Any]] = {}
        for name, parameter in model.named_parameters():
            layer = min(level(name), depth)
            decay = parameter.ndim > 1
            group = groups.setdefault(
                (layer, decay),
                {"params": [], "lr": self.args.learning_rate * self._layer_decay ** (depth - layer),
                 "weight_decay": self.args.weight_decay if decay else 0.0},
            )  # fmt: skip
            group["params"].append(parameter)
        self.optimizer = torch.optim.AdamW(list(groups.values()), lr=self.args.learning_rate)
        return self.optimizer


def level(name: str) -> int:
    """Where a parameter stands: 0 for the embeddings, then layer by layer, far above them what is on top."""
    if ".embeddings." in name:
        return 0
    return int(name.split(".layer.")[1].split(".")[0]) + 1 if ".layer." in name else 10**6


def freeze(model: Any, share: float) -> None:
    """Keep the embeddings and this share of the layers, from below, as they are; 0 trains all."""
    last = round(share * int(model.config.num_hidden_layers))
    for name, parameter in model.named_parameters():
        if share and level(name) <= last:
            parameter.requires_grad_(False)
