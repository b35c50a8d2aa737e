"""The training loss: one term a group, blind to what a row does not say."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from classify.labels import LabelScheme


@dataclass(frozen=True)
class Focus:
    """How much less an easy sentence counts in a multi-label group.

    Attributes:
        positive, negative: exponent of what the model still lacks where the label is given, and where it is not.
        margin: scores below it cost nothing where the label is not given.
    """

    positive: float = 0.0
    negative: float = 0.0
    margin: float = 0.0


# Plain cross-entropy; focal loss (Lin et al. 2017); asymmetric loss (Ridnik et al. 2021).
LOSSES = {"plain": Focus(), "focal": Focus(2.0, 2.0), "asymmetric": Focus(1.0, 4.0, 0.05)}


class GroupedLoss:
    """Binary cross-entropy for multi-label groups, cross-entropy for exclusive ones.

    Args:
        scheme: the labels, in output order.
        positive_weight: weight of the positive class per label, shape ``(labels,)``; None for one everywhere.
        focus: how easy sentences are discounted in multi-label groups.
    """

    def __init__(self, scheme: LabelScheme, positive_weight: Tensor | None = None, focus: Focus | None = None) -> None:
        self._groups = [(group.exclusive, columns) for group, columns in scheme.spans()]
        self._weight = positive_weight
        self._focus = focus or Focus()

    def _binary(self, logits: Tensor, targets: Tensor, weight: Tensor | None) -> Tensor:
        focus = self._focus
        if focus == Focus():
            return functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="none")
        score = logits.sigmoid()
        lower = (score - focus.margin).clamp(min=0)
        given = targets * (1 - score) ** focus.positive * functional.logsigmoid(logits)
        # Without a margin the logarithm is taken of the logit, so that the surest mistake still has a gradient.
        log = torch.log((1 - lower).clamp(min=1e-8)) if focus.margin else functional.logsigmoid(-logits)
        absent = (1 - targets) * lower**focus.negative * log
        return -(given if weight is None else given * weight) - absent

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss; ``logits`` and ``targets`` are ``(batch, labels)``, targets from 0 to 1, unknown ones NaN."""
        total = logits.new_zeros(())
        logits = logits.float()
        for exclusive, columns in self._groups:
            part, target = logits[:, columns], targets[:, columns]
            known = ~torch.isnan(target)
            if exclusive:
                rows = known.all(dim=1)
                if rows.any():
                    total = total + functional.cross_entropy(part[rows], target[rows])
            elif known.any():
                weight = None if self._weight is None else self._weight[columns].to(part.device)
                losses = self._binary(part, torch.nan_to_num(target), weight)
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
