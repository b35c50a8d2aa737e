"""A head that knows something before fine-tuning starts: logistic regression on the mean of the word states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classify.labels import LabelScheme
from training.calibrate import output_layer

# Networks whose layers and pooler are laid out as BERT's.
KINDS = ("bert", "roberta", "xlm-roberta", "camembert")
# How much the mean of the words outweighs the state of the first one, which the layer adds.
MEAN_SHARE = 10.0
# Standard deviations are this wide before the pooler's tanh, which is nearly linear there.
WIDTH = 0.25
# Inverse strength of the L2 penalty on standardised states, as scikit-learn's logistic regression counts it.
INVERSE_PENALTY = 0.01


def supported(config: Mapping[str, Any]) -> bool:
    """Whether a model with this ``config.json`` can be given such a head."""
    return config.get("model_type") in KINDS and int(config.get("num_hidden_layers") or 0) >= 2


def pool_by_mean(layer: Any) -> None:
    """Turn a layer of BERT's kind into one that gives every word the mean of all, in place and still to be trained.

    Where no query asks for anything, attention is even, so the value of every word is averaged; what the top layer computed was
    for the base's own task. So mean pooling needs no class of its own, and every program that reads BERT computes it.
    """
    attention, out = layer.attention.self, layer.attention.output
    size = out.dense.in_features
    with torch.no_grad():
        attention.query.weight.zero_()
        attention.query.bias.zero_()
        attention.value.weight.copy_(torch.eye(size))
        attention.value.bias.zero_()
        out.dense.weight.copy_(MEAN_SHARE * torch.eye(size))
        out.dense.bias.zero_()
        # The words' own network starts silent, but with something to learn from.
        layer.output.dense.weight.zero_()
        layer.output.dense.bias.zero_()
        for norm in (out.LayerNorm, layer.output.LayerNorm):
            norm.weight.fill_(1.0)
            norm.bias.zero_()


def start_head(
    model: Any,
    batches: Iterable[dict[str, Tensor]],
    wanted: NDArray[np.float32],
    loss: Callable[[Tensor, Tensor], Tensor],
    scheme: LabelScheme,
) -> None:
    """Replace top layer, pooler and output rows by mean pooling and logistic regression on it, in place.

    The mean of the last layer but one is what a base knows of sentences with the least of what it was trained for. A head fitted to it
    first (LP-FT, Kumar et al. 2022) leaves fine-tuning little to distort.

    Args:
        model: a classifier of one of ``KINDS``.
        batches: the training sentences, in order, as the model takes them.
        wanted: targets ``(sentences, labels)``, NaN where unknown.
        loss: of logits and targets, both ``(sentences, labels)``: the training loss.
        scheme: the labels.
    """
    body, head = model.base_model, output_layer(model, len(scheme))
    # RoBERTa has its pooler in the head.
    pooler: nn.Linear = body.pooler.dense if getattr(body, "pooler", None) is not None else model.classifier.dense
    assert head is not None
    pool_by_mean(body.encoder.layer[-1])
    model.eval()
    with torch.no_grad():
        states = torch.cat(
            [body(**{name: values.to(model.device) for name, values in batch.items()}).last_hidden_state[:, 0] for batch in batches]
        )
        states = states.double().cpu()
        mean, spread = states.mean(0), states.std(0, correction=0).clamp(min=1e-6)
        pooler.weight.copy_(torch.diag(WIDTH / spread))
        pooler.bias.copy_(-WIDTH * mean / spread)
    weight, bias = fit_head(torch.tanh(WIDTH * (states - mean) / spread), torch.from_numpy(wanted).double(), loss, scheme)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)


def fit_head(
    pooled: Tensor, wanted: Tensor, loss: Callable[[Tensor, Tensor], Tensor], scheme: LabelScheme, steps: int = 200
) -> tuple[Tensor, Tensor]:
    """Weights ``(labels, hidden)`` and biases ``(labels,)`` of least loss with an L2 penalty, by L-BFGS.

    Args:
        pooled: ``(sentences, hidden)``.
        wanted: ``(sentences, labels)``, NaN where unknown.
        loss: see :func:`start_head`.
        scheme: the labels.
        steps: at most so many.
    """
    weight = torch.zeros(len(scheme), pooled.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(scheme), dtype=torch.float64, requires_grad=True)
    strength = torch.zeros(len(scheme), 1, dtype=torch.float64)
    for group, columns in scheme.spans():
        known = (~torch.isnan(wanted[:, columns])).any(dim=1).sum().clamp(min=1)
        # The loss of a multi-label group is the mean over its labels, that of an exclusive one a single term.
        strength[columns] = WIDTH**2 / (2 * INVERSE_PENALTY * known * (1 if group.exclusive else len(group.labels)))
    optimizer: Any = torch.optim.LBFGS([weight, bias], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(pooled @ weight.T + bias, wanted) + (strength * weight**2).sum()
        torch.autograd.backward(value)
        return value

    optimizer.step(closure)
    return weight.detach().float(), bias.detach().float()
