"""What decides a fine-tuning run, checked when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from classify.classifier import MAX_TOKENS
from classify.errors import SettingsError
from classify.resources import resource
from training import recipes
from training.columns import Layout
from training.loss import LOSSES


@dataclass(frozen=True)
class TrainSettings:
    """Everything that decides a fine-tuning run; ``configs/default.yaml`` and ``second.yaml`` made the shipped model.

    Attributes:
        base: directory or hub id of any BERT-family checkpoint. From a directory that this function wrote, training continues: labels
            that stay, under their id or that of ``renamed_from``, keep their rows of the output layer.
        labels: the label scheme; by default the shipped one.
        data: labelled files or folders of them.
        table: what columns of tables mean, where that is not found (see :class:`training.columns.Layout`).
        rejected: file to list rows in that cannot be used.
        pool: articles to join labels without text with.
        output: model directory to write; an earlier one is replaced when the run has succeeded.
        recipe: ``full``, ``few`` (for few labelled sentences) or ``auto``, by how many there are; it decides what is left open below (see
            :mod:`training.recipes`).
        epochs: at most so many passes; early stopping may end sooner.
        patience: epochs without a better validation macro-F1 before stopping.
        batch_size, learning_rate, warmup, weight_decay, dropout: as usual; warm-up is a share of all steps.
        layer_decay: each layer below the top learns this much slower (1 = all alike).
        frozen: the embeddings and this share of the layers, from below, stay as they are; 0 trains all.
        head_start: begin with a head fitted to the mean of the word states (see :mod:`training.headstart`), in place of the base's top
            layer; by default with few labels, and where the base was trained for other labels.
        context: train with the sentence before as second segment; each time it is dropped with ``context_dropout``. By default as
            the model continued from does, otherwise not.
        slips: share of the training sentences that are read with a slip of the keyboard, another one each time.
        loss: of multi-label groups: ``plain`` cross-entropy, ``focal`` or ``asymmetric``.
        soft_labels: file with what teachers made of the sentences, which is learnt as well (see :mod:`training.distil`).
        distillation_weight: of the soft label in the target of a labelled sentence; the label has the rest.
        overrule: where the soft label contradicts the label, learn the label alone (see :func:`training.distil.overruled`).
        unlabelled: also learn what the teachers made of the pool's sentences that nobody labelled.
        mix_base, mix_share: after training, this share of this base's weights is mixed back in (see :mod:`training.mixing`); where old
            labels are protected of which new data is silent, two fifths of the model they are from, unless a share is given.
        protect: when continuing, keep old labels that the new data does not cover (see :mod:`training.rehearsal`): the old model's
            scores teach them, and sentences of ``rehearse`` are seen again.
        rehearse: files labelled with the base's labels; by default those of this checkout that the base was trained on, unless the
            new data gives every old label.
        rehearsal_share: of the training sentences that are rehearsed ones, as far as there are so many; 0 rehearses none.
        weighting: rare labels' positives weigh (negatives / positives) ** weighting.
        real_weight: how many times a real sentence (one joined from the pool) is seen an epoch.
        calibration_weight: how much a sentence that is not real counts in calibration and thresholds, where there are real ones.
        validation, test: shares of the undivided data kept aside.
        folds: above 1, thresholds and the number of epochs come from cross-validation over train and validation, and the
            model is then trained on both; otherwise they come from the validation split.
        compact: store weights as 8-bit integers per output channel (computed in 32 bits): a quarter of the size.
        export: also write ``onnx/model.onnx``.
        precision: ``fp32``, ``bf16`` or ``auto``.
        seed: for everything drawn at random but the splits.
        seeds: train so many times, with this seed and those that follow it, and keep the mean of the weights.
        search: so many trials look for better settings before the model is trained with the best (see :mod:`training.search`).
        split_seed: for the splits, apart, so that runs of several seeds, and teachers and students, keep the same sentences aside.
    """

    base: str
    output: Path
    data: tuple[Path, ...]
    labels: Path = field(default_factory=lambda: resource("configs/labels.yaml"))
    table: Layout = field(default_factory=Layout)
    rejected: Path | None = None
    pool: tuple[Path, ...] = ()
    recipe: str = "auto"
    epochs: int | None = None
    patience: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    layer_decay: float = 1.0
    frozen: float | None = None
    head_start: bool | None = None
    context: bool | None = None
    context_dropout: float = 0.3
    slips: float = 0.0
    loss: str = "plain"
    soft_labels: Path | None = None
    distillation_weight: float = 0.5
    overrule: bool = False
    unlabelled: bool = False
    mix_base: str | None = None
    mix_share: float | None = None
    protect: bool = True
    rehearse: tuple[Path, ...] = ()
    rehearsal_share: float = 0.5
    weighting: float = 0.5
    real_weight: int = 1
    calibration_weight: float = 0.25
    validation: float | None = None
    test: float | None = None
    folds: int | None = None
    compact: bool = False
    export: bool = True
    precision: str = "auto"
    max_length: int = 192
    seed: int = 13
    seeds: int = 1
    split_seed: int = 13
    search: int = 0

    def __post_init__(self) -> None:
        if not self.base:
            raise SettingsError("setting 'base' is empty: give a model directory or a hub id such as owner/name")
        if self.seed < 0 or self.split_seed < 0:
            raise SettingsError(f"settings 'seed' and 'split_seed' must be at least 0, not {min(self.seed, self.split_seed)}")
        for name, low, high in (
            ("validation", 0.0, 0.5), ("test", 0.0, 0.5), ("dropout", 0.0, 0.9), ("context_dropout", 0.0, 1.0),
            ("warmup", 0.0, 1.0), ("weighting", 0.0, 1.0), ("layer_decay", 0.1, 1.0), ("calibration_weight", 0.0, 1.0),
            ("distillation_weight", 0.0, 1.0), ("mix_share", 0.0, 1.0), ("slips", 0.0, 1.0), ("rehearsal_share", 0.0, 0.99),
            ("frozen", 0.0, 1.0),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SettingsError(f"setting '{name}' must lie between {low:g} and {high:g}, not {value:g}")
        for name in ("epochs", "patience", "batch_size", "real_weight", "seeds"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise SettingsError(f"setting '{name}' must be at least 1, not {value}")
        if not 8 <= self.max_length <= MAX_TOKENS:
            raise SettingsError(f"setting 'max_length' must lie between 8 and {MAX_TOKENS}, not {self.max_length}")
        if self.recipe not in recipes.RECIPES:
            raise SettingsError(f"setting 'recipe' must be one of {', '.join(recipes.RECIPES)}, not '{self.recipe}'")
        if self.learning_rate is not None and self.learning_rate <= 0:
            raise SettingsError(f"setting 'learning_rate' must be above 0, not {self.learning_rate:g}")
        if self.loss not in LOSSES:
            raise SettingsError(f"setting 'loss' must be one of {', '.join(LOSSES)}, not '{self.loss}'")
        if self.rehearse and not self.protect:
            raise SettingsError("setting 'rehearse' needs 'protect': leave one of them out")
        if self.unlabelled and not (self.soft_labels and self.pool):
            raise SettingsError("setting 'unlabelled' needs 'soft_labels', those of teachers, and a 'pool', which holds the sentences")
        if self.soft_labels and self.folds:
            raise SettingsError(
                "'soft_labels' and 'folds' do not go together, because a teacher has seen the sentences that a fold keeps aside: "
                "leave one of them out"
            )
        if self.mix_share and not self.mix_base:
            raise SettingsError("setting 'mix_share' needs 'mix_base', the base whose weights are mixed back in")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise SettingsError(f"setting 'precision' must be one of auto, fp32, bf16, not '{self.precision}'")
        if self.search < 0 or (self.search and (self.folds or self.validation == 0)):
            raise SettingsError(
                "setting 'search' is the number of trials, which a validation share judges: give one above 0, and leave 'folds' out"
            )
        if self.folds is not None and (self.folds == 1 or self.folds < 0):
            raise SettingsError(f"setting 'folds' must be 0 (none) or at least 2, not {self.folds}")
