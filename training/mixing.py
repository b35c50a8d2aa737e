"""Mixing the weights of a base back into a model fine-tuned from it."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from classify.engine import without_chatter
from classify.errors import SettingsError
from training.base import UNREADABLE, resolve, unavailable


def mix_back(model: Any, base: str, share: float) -> None:
    """Replace weights by ``(1 - share) * weights + share * the base's``, in place: the body's, and the head's if the base was trained
    for the same labels.

    Fine-tuning forgets what its task does not ask for. A straight line between the two models mostly keeps the accuracy of the
    one and the breadth of the other (WiSE-FT, Wortsman et al. 2022).

    Raises:
        SettingsError: when the base cannot be read, or has another shape.
    """
    try:
        path = resolve(base).path
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        same = AutoConfig.from_pretrained(path, **options).id2label == model.config.id2label
        kind = AutoModelForSequenceClassification if same else AutoModel
        # Of a trained model the library would tell that its head is not used.
        with without_chatter():
            other, found = kind.from_pretrained(path, dtype=torch.float32, output_loading_info=True, **options)
    except UNREADABLE as error:
        raise SettingsError(unavailable(base, error)) from None
    # A base without a pooler lends none: what the library filled in at random is no knowledge.
    theirs = {name: values for name, values in other.state_dict().items() if name not in found["missing_keys"]}
    ours = (model if same else model.base_model).state_dict()
    strange = [name for name, values in ours.items() if name in theirs and theirs[name].shape != values.shape]
    common = [name for name in ours if name in theirs and ours[name].is_floating_point()]
    body = f"{model.base_model_prefix}." if same else ""
    if strange or not any(name.startswith(body) for name in common):
        what = f"{strange[0]} has the shape {tuple(theirs[strange[0]].shape)}" if strange else "no weight has the same name"
        raise SettingsError(f"the base {base} cannot be mixed back in, because it is not of the model's kind: {what}")
    with torch.no_grad():
        for name in common:
            ours[name].lerp_(theirs[name].to(ours[name].device), share)
