"""What ``classify train`` does where the settings leave it open: by how many labelled sentences there are a label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from classify.errors import SettingsError
from classify.labels import LabelScheme
from training.dataset import Example, scored, targets

if TYPE_CHECKING:
    from training.train_settings import TrainSettings

RECIPES = ("auto", "full", "few")
# With fewer labelled sentences a label than this a tenth of them says too little to stop by (benchmarks/few_labels.py).
FEW = 100
EPOCHS, PATIENCE, BATCH_SIZE, LEARNING_RATE = 8, 3, 32, 1e-4
# Labels the network has never seen need so many steps; more passes than these over little data only cost time.
STEPS, MOST_EPOCHS = 600, 20
VALIDATION, TEST = 0.1, 0.1
# Few labels: no sentence is kept aside to stop by, so the number of steps is fixed; folds give calibration, thresholds and figures.
FEW_STEPS, FEW_BATCH_SIZE, FEW_FROZEN, FOLDS = 60, 16, 0.5, 4
# Where a network cannot be given a head start all of it is trained, for longer.
FEW_STEPS_ALONE = 150


@dataclass(frozen=True)
class Choice:
    """Which recipe a run takes.

    Attributes:
        recipe: ``full`` or ``few``.
        sentences: labelled ones.
        a_label: labelled sentences a label on average: positives by labels.
        said: for the user, where the recipe was chosen and not asked for; else ``""``.
    """

    recipe: str
    sentences: int
    a_label: float
    said: str = ""

    def record(self) -> dict[str, object]:
        """For ``training.json``."""
        return {"name": self.recipe, "sentences": self.sentences, "sentences_a_label": round(self.a_label, 1), "chosen": bool(self.said)}


def choose(settings: TrainSettings, scheme: LabelScheme, examples: Sequence[Example], new_labels: bool) -> Choice:
    """The recipe for this data.

    ``auto`` takes ``few`` where the scheme is new to the base and there are fewer than ``FEW`` labelled sentences a label, unless something
    is asked for that needs sentences kept aside.

    Args:
        settings: as the user gave them.
        scheme: the labels.
        examples: the labelled sentences.
        new_labels: whether the base knows none of the labels.
    """
    known = np.where(scored(examples, scheme), targets(examples, scheme), 0.0)
    a_label = float(np.nansum(known) / len(scheme))
    if settings.recipe != "auto":
        return Choice(settings.recipe, len(examples), a_label)
    asked = settings.validation is not None or settings.folds or settings.search or settings.soft_labels
    if not new_labels or asked or a_label >= FEW:
        return Choice("full", len(examples), a_label)
    said = (
        f"{len(examples)} labelled sentences, {a_label:.0f} a label, fewer than {FEW}: the recipe for few labels is taken (recipe: full "
        "turns this off)"
    )
    return Choice("few", len(examples), a_label, said)


def fill(settings: TrainSettings, choice: Choice, new_labels: bool, retrained: bool, possible: bool) -> TrainSettings:
    """The settings with what was left open decided.

    Args:
        settings: as the user gave them.
        choice: the recipe.
        new_labels: whether the base knows none of the labels.
        retrained: whether the base was trained for labels, all of them others.
        possible: whether the base can be given a head start.

    Raises:
        SettingsError: where a head start is asked for, or 0 epochs, and cannot be had.
    """
    few = choice.recipe == "few"
    wanted = possible and (few or retrained) and not settings.mix_share
    head_start = wanted if settings.head_start is None else settings.head_start
    if head_start and settings.mix_share:
        raise SettingsError("settings 'head_start' and 'mix_share' do not go together, because the top layers differ: leave one out")
    if head_start and not possible:
        raise SettingsError(f"the base {settings.base} is not of BERT's kind and cannot be given a head start: leave 'head_start' out")
    if head_start and not new_labels:
        raise SettingsError("a head start would replace what the base knows of its labels: leave 'head_start' or 'recipe: few' out")
    batch_size = settings.batch_size or (FEW_BATCH_SIZE if few else BATCH_SIZE)
    validation = (0.0 if few else VALIDATION) if settings.validation is None else settings.validation
    test = (0.0 if few else TEST) if settings.test is None else settings.test
    steps = max(1, math.ceil(choice.sentences * (1 - validation - test) / batch_size))
    if few:
        epochs = math.ceil((FEW_STEPS if head_start else FEW_STEPS_ALONE) / steps)
    else:
        epochs = min(max(EPOCHS, math.ceil(STEPS / steps)), MOST_EPOCHS) if new_labels else EPOCHS
    return replace(
        settings,
        recipe=choice.recipe,
        batch_size=batch_size,
        learning_rate=settings.learning_rate or LEARNING_RATE,
        validation=validation,
        test=test,
        epochs=epochs if settings.epochs is None else settings.epochs,
        patience=settings.patience or max(PATIENCE, epochs // 4),
        folds=(FOLDS if few and not validation else 0) if settings.folds is None else settings.folds,
        frozen=(FEW_FROZEN if few and head_start else 0.0) if settings.frozen is None else settings.frozen,
        head_start=head_start,
    )
