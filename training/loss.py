"""The training loss: one term a group, blind to what a row does not say."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from classify.labels import LabelScheme


class GroupedLoss:
    """Binary cross-entropy for multi-label groups, cross-entropy for exclusive ones.

    Args:
        scheme: the labels, in output order.
        positive_weight: weight of the positive class per label, shape ``(labels,)``; None for one everywhere.
    """

    def __init__(self, scheme: LabelScheme, positive_weight: Tensor | None = None) -> None:
        self._groups = [(group.exclusive, columns) for group, columns in scheme.spans()]
        self._weight = positive_weight

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss; ``logits`` and ``targets`` are ``(batch, labels)``, unknown targets are NaN."""
        total = logits.new_zeros(())
        logits = logits.float()
        for exclusive, columns in self._groups:
            part, target = logits[:, columns], targets[:, columns]
            known = ~torch.isnan(target)
            if exclusive:
                rows = known.all(dim=1)
                if rows.any():
                    total = total + functional.cross_entropy(part[rows], target[rows].argmax(dim=1))
            elif known.any():
                weight = None if self._weight is None else self._weight[columns].to(part.device)
                losses = functional.binary_cross_entropy_with_logits(part, torch.nan_to_num(target), pos_weight=weight, reduction="none")
                total = total + losses[known].mean()
        return total


def positive_weights(targets: Tensor, power: float, limit: float = 10.0) -> Tensor:
    """Weights for rare labels: (negatives / positives) ** ``power``, at most ``limit``, at least 1.

    Args:
        targets: ``(rows, labels)`` with NaN for unknown.
        power: 0 gives no weighting, 1 the full inverse frequency.
        limit: upper bound.
    """
    positives = torch.nansum(targets, dim=0)
    negatives = (~torch.isnan(targets)).sum(dim=0) - positives
    return ((negatives / positives.clamp(min=1)) ** power).clamp(1.0, limit)
