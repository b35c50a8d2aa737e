"""Mixing the weights of a base back into a model fine-tuned from it."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModel

from classify.engine import without_chatter
from classify.errors import SettingsError
from training.base import UNREADABLE, resolve, unavailable


def mix_back(model: Any, base: str, share: float) -> None:
    """Replace the body's weights by ``(1 - share) * weights + share * the base's``, in place; the head stays.

    Fine-tuning forgets what its task does not ask for. A straight line between the two models mostly keeps the accuracy of the
    one and the breadth of the other (WiSE-FT, Wortsman et al. 2022).

    Raises:
        SettingsError: when the base cannot be read, or has another shape.
    """
    try:
        # Of a trained model the library would tell that its head is not used.
        with without_chatter():
            body, found = AutoModel.from_pretrained(
                resolve(base).path, dtype=torch.float32, output_loading_info=True, local_files_only=True, trust_remote_code=False
            )
    except UNREADABLE as error:
        raise SettingsError(unavailable(base, error)) from None
    # A base without a pooler lends none: what the library filled in at random is no knowledge.
    theirs = {name: values for name, values in body.state_dict().items() if name not in found["missing_keys"]}
    ours = model.base_model.state_dict()
    strange = [name for name, values in ours.items() if name in theirs and theirs[name].shape != values.shape]
    common = [name for name in ours if name in theirs and ours[name].is_floating_point()]
    if strange or not common:
        what = f"{strange[0]} has the shape {tuple(theirs[strange[0]].shape)}" if strange else "no weight has the same name"
        raise SettingsError(f"the base {base} cannot be mixed back in, because it is not of the model's kind: {what}")
    with torch.no_grad():
        for name in common:
            ours[name].lerp_(theirs[name].to(ours[name].device), share)
