"""Fine-tuning a base into a model directory: the recipe behind ``classify train``."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import EarlyStoppingCallback, EvalPrediction, PrinterCallback, Trainer, TrainingArguments, set_seed

from classify.classifier import MAX_TOKENS, Classifier
from classify.decisions import Decisions, decide, probabilities
from classify.errors import DataError, SettingsError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory, positions
from classify.resources import file_digest, resource
from training import distil, errors, processes, recipes, search, splits
from training.base import Base, load_model, load_tokenizer, resolve
from training.calibrate import calibration, choose_thresholds, fold_into_head
from training.card import write_card
from training.columns import Layout
from training.dataset import Example, Pool, data_files, load, scored, targets
from training.diff import compare, matches
from training.evaluate import Part, macro_figures, measure, parts, record_of, unseen
from training.headstart import start_head, supported
from training.loss import LOSSES, GroupedLoss, positive_weights
from training.metrics import macro_f1
from training.mixing import mix_back
from training.noise import slip
from training.precision import uses_bf16
from training.rehearsal import Protection, carry_head, inherited_decisions, trained
from training.settings import as_dict

logger = logging.getLogger(__name__)

# So much of a trained model comes back when new data could only make it worse at its labels (docs/retraining.md has the figures).
KEPT = 0.4


@dataclass(frozen=True)
class TrainSettings:
    """Everything that decides a fine-tuning run; ``configs/default.yaml`` is the recipe of the shipped model.

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
        unlabelled: also learn what the teachers made of the pool's sentences that nobody labelled.
        mix_base, mix_share: after training, this share of this base's weights is mixed back in (see :mod:`training.mixing`); where old
            labels are protected of which new data is silent, ``KEPT`` of the model they are from, unless a share is given.
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
    split_seed: int = 13
    search: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("validation", 0.0, 0.5), ("test", 0.0, 0.5), ("dropout", 0.0, 0.9), ("context_dropout", 0.0, 1.0),
            ("warmup", 0.0, 1.0), ("weighting", 0.0, 1.0), ("layer_decay", 0.1, 1.0), ("calibration_weight", 0.0, 1.0),
            ("distillation_weight", 0.0, 1.0), ("mix_share", 0.0, 1.0), ("slips", 0.0, 1.0), ("rehearsal_share", 0.0, 0.99),
            ("frozen", 0.0, 1.0),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SettingsError(f"setting '{name}' must lie between {low:g} and {high:g}, not {value:g}")
        for name in ("epochs", "patience", "batch_size", "real_weight"):
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
            layer = min(_level(name), depth)
            decay = parameter.ndim > 1
            group = groups.setdefault(
                (layer, decay),
                {"params": [], "lr": self.args.learning_rate * self._layer_decay ** (depth - layer),
                 "weight_decay": self.args.weight_decay if decay else 0.0},
            )  # fmt: skip
            group["params"].append(parameter)
        self.optimizer = torch.optim.AdamW(list(groups.values()), lr=self.args.learning_rate)
        return self.optimizer


def _level(name: str) -> int:
    """Where a parameter stands: 0 for the embeddings, then layer by layer, far above them what is on top."""
    if ".embeddings." in name:
        return 0
    return int(name.split(".layer.")[1].split(".")[0]) + 1 if ".layer." in name else 10**6


def freeze(model: Any, share: float) -> None:
    """Keep the embeddings and this share of the layers, from below, as they are; 0 trains all."""
    last = round(share * int(model.config.num_hidden_layers))
    for name, parameter in model.named_parameters():
        if share and _level(name) <= last:
            parameter.requires_grad_(False)


@dataclass
class Run:
    """One finished training: the trainer and, where there was validation, which epoch was best and how good."""

    trainer: GroupedTrainer
    tokenizer: Any
    best_epoch: float = 0.0
    best_macro_f1: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def prepare(
    settings: TrainSettings,
    scheme: LabelScheme,
    train: Sequence[Example],
    validation: Sequence[Example],
    folder: Path,
    epochs: int | None = None,
    quiet: bool = False,
    taught: NDArray[np.float32] | None = None,
    protection: Protection | None = None,
) -> tuple[GroupedTrainer, Any]:
    """The trainer of :func:`fit`, ready to train, and the tokenizer."""
    quiet = quiet or not processes.first()
    set_seed(settings.seed)
    tokenizer = load_tokenizer(settings.base)
    model = _start(settings, scheme)
    if settings.mix_base and settings.mix_share:
        # A share of nothing: a base that does not fit is found now, not after hours of training.
        mix_back(model, settings.mix_base, 0.0)
    # Many tokenizers do not say how many positions their model has.
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions(model.config.to_dict()))
    times = [settings.real_weight if example.real else 1 for example in train]
    repeated = [e for e, count in zip(train, times, strict=True) for _ in range(count)]
    if protection:
        said = protection.taught(train)
        taught = said if taught is None else np.where(np.isnan(taught), said, taught)
    taught_repeated = None if taught is None else np.repeat(taught, times, axis=0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bf16 = uses_bf16(settings.precision, device)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs or settings.epochs or recipes.EPOCHS,
        per_device_train_batch_size=processes.share(settings.batch_size or recipes.BATCH_SIZE),
        per_device_eval_batch_size=64,
        learning_rate=settings.learning_rate or recipes.LEARNING_RATE,
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        bf16=bf16,
        use_cpu=device.type == "cpu",
        seed=settings.seed,
        data_seed=settings.seed,
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch" if validation else "no",
        # Of a few dozen steps a checkpoint a pass would cost more than it saves.
        save_strategy="no" if settings.recipe == "few" and not validation else "epoch",
        save_total_limit=2,
        load_best_model_at_end=bool(validation),
        metric_for_best_model="macro_f1" if validation else None,
        greater_is_better=True,
        logging_steps=25,
        report_to=[],
        disable_tqdm=quiet,
        log_level="error" if quiet else "warning",
        log_level_replica="error",
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=False,
        label_names=["labels"],
    )

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        # The library evaluates in an order of its own; its label_ids are in the same order as its predictions.
        wanted = np.asarray(prediction.label_ids)
        scores = probabilities(np.asarray(prediction.predictions), scheme)
        given = decide(scores, scheme, Decisions())
        return {"macro_f1": macro_f1(given, np.nan_to_num(wanted) > 0.5, ~np.isnan(wanted), scheme)}

    trainer = GroupedTrainer(
        model=model,
        args=arguments,
        train_dataset=Encoded(repeated, scheme, tokenizer, settings, training=True, taught=taught_repeated),
        eval_dataset=Encoded(validation, scheme, tokenizer, settings, training=False) if validation else None,
        data_collator=Collator(tokenizer),
        compute_metrics=compute_metrics if validation else None,
        callbacks=[EarlyStoppingCallback(settings.patience or recipes.PATIENCE)] if validation else [],
        grouped_loss=_loss(settings, scheme, train, protection),
        layer_decay=settings.layer_decay,
    )
    if settings.head_start:
        trainer.known = Encoded(train, scheme, tokenizer, settings, training=False, taught=taught)
        trainer.give_head_start(model, scheme)
    if quiet:
        # Where it shows no bar, the library prints its log instead.
        trainer.remove_callback(PrinterCallback)
    return trainer, tokenizer


def fit(
    settings: TrainSettings,
    scheme: LabelScheme,
    train: Sequence[Example],
    validation: Sequence[Example],
    folder: Path,
    epochs: int | None = None,
    quiet: bool = False,
    taught: NDArray[np.float32] | None = None,
    protection: Protection | None = None,
) -> Run:
    """Train once.

    Args:
        settings: the recipe.
        scheme: the labels.
        train: examples to learn from.
        validation: examples that decide when to stop; empty for a fixed number of epochs.
        folder: for checkpoints; training resumes from the last one found there.
        epochs: instead of the settings'.
        quiet: no progress bar.
        taught: teachers' scores of the ``train`` examples, ``(examples, labels)``, NaN where they were not asked.
        protection: of the labels of the model continued from, which answers where ``taught`` does not.
    """
    trainer, tokenizer = prepare(settings, scheme, train, validation, folder, epochs, quiet, taught, protection)
    # The state is written last, so a checkpoint cut off half-way has none.
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    last = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    if last is not None:
        logger.warning("resuming from the last checkpoint in %s", folder)
    trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    # The first process clears checkpoints away, which the others may still be reading.
    processes.meet()
    history = [row for row in trainer.state.log_history if "eval_macro_f1" in row]
    best = max(history, key=lambda row: row["eval_macro_f1"], default=None)
    return Run(trainer, tokenizer, float(best["epoch"]) if best else 0.0, float(best["eval_macro_f1"]) if best else 0.0, history)


def predict_logits(run: Run, examples: Sequence[Example], scheme: LabelScheme, settings: TrainSettings) -> NDArray[np.float32]:
    """Logits ``(examples, labels)`` of the trained model, in 32-bit arithmetic."""
    model: Any = run.trainer.model
    model.eval()
    dataset = Encoded(examples, scheme, run.tokenizer, settings, training=False)
    parts = []
    with torch.inference_mode():
        for batch in dataset.batches(Collator(run.tokenizer)):
            parts.append(model(**{key: value.to(model.device) for key, value in batch.items()}).logits.float().cpu().numpy())
    return np.concatenate(parts)


def train(settings: TrainSettings, quiet: bool = False) -> Path:
    """Fine-tune, choose thresholds on sentences not trained on, export, and write a complete model directory.

    Returns:
        ``settings.output``.

    Raises:
        SettingsError, DataError, LabelsError: for what a user can put right.
    """
    from training.export import export, save_model

    processes.await_first()
    if settings.search:
        search.check(settings)
    output = settings.output
    if output.exists() and (not output.is_dir() or (any(output.iterdir()) and not (output / "config.json").exists())):
        raise SettingsError(f"the output {output} exists and is not a model directory: choose another one or move it away")
    scheme = LabelScheme.load(settings.labels)
    pool = Pool(settings.pool) if settings.pool else None
    loaded = load(settings.data, scheme, pool, settings.table, settings.rejected)
    if loaded.without_text:
        logger.warning("%d labels of real sentences were left out: their articles are not in the pool", loaded.without_text)
    examples = loaded.examples
    continued = trained(settings.base)
    settings = replace(settings, context=bool(continued and continued.decisions.context) if settings.context is None else settings.context)
    kept = matches(continued.scheme, scheme) if continued else {}
    choice = recipes.choose(settings, scheme, examples, new_labels=not kept)
    if choice.said:
        logger.warning("%s", choice.said)
    bases = {name: resolve(given) for name in ("base", "mix_base") if (given := getattr(settings, name))}
    possible = supported(json.loads((bases["base"].path / "config.json").read_text(encoding="utf-8")))
    settings = recipes.fill(settings, choice, new_labels=not kept, retrained=continued is not None and not kept, possible=possible)
    settings, protection = _protection(settings, scheme, continued, examples, pool)
    if settings.mix_base == settings.base:
        bases["mix_base"] = bases["base"]
    _distinct(data_files([*settings.data, *settings.rehearse]))
    if protection:
        examples = protection.examples
    validation, test = settings.validation or 0.0, settings.test or 0.0
    sides = splits.assign(examples, validation, test, settings.split_seed)
    if protection:
        use = protection.keep(sides)
        examples, sides = list(compress(examples, use)), list(compress(sides, use))
        new = sum(use[: protection.new])
        logger.warning("%s", protection.describe(sides[new:]))
    train_part = [e for e, side in zip(examples, sides, strict=True) if side == "train"]
    validation_part = [e for e, side in zip(examples, sides, strict=True) if side == "validation"]
    if not train_part or (validation > 0 and not validation_part):
        whole = len({example.group for example in examples})
        hint = f" (those of one of the {whole} documents stay together)" if 1 < whole < len(examples) else ""
        raise DataError(f"{len(examples)} sentences are too few to divide{hint}: give more data or other shares")
    asked = {
        name: _portable(base.path) if Path(getattr(settings, name)).is_dir() else getattr(settings, name) for name, base in bases.items()
    }
    found: dict[str, Any] = {name: str(base.path) for name, base in bases.items()}
    settings = replace(settings, **found)
    processes.share(settings.batch_size or recipes.BATCH_SIZE)

    soft = distil.SoftLabels.load(settings.soft_labels, scheme) if settings.soft_labels else None
    scratch = output.with_name(f".{output.name}.training")
    soft_digest = file_digest([settings.soft_labels]) if settings.soft_labels else ""
    articles = [name for name, _ in pool.articles()] if pool and settings.unlabelled else []
    recipe = json.dumps([as_dict(settings), [example.id for example in examples], soft_digest, articles], sort_keys=True)
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    if (scratch / "recipe").exists() and (scratch / "recipe").read_text() != key:
        # Checkpoints of another recipe or other data must not be mixed in.
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    if processes.first():
        (scratch / "recipe").write_text(key)
    processes.release()

    facts: dict[str, Any] = {}
    if settings.folds:
        run, decisions, facts = _cross_validated(settings, scheme, train_part + validation_part, scratch, quiet, protection)
    else:
        taught = None
        if soft is not None:
            if settings.unlabelled and pool:
                aside = [e for e, side in zip(examples, sides, strict=True) if side != "train"]
                others = distil.unlabelled(pool, examples, aside)
                train_part = train_part + [e for e in others if distil.key(e) in soft.scores]
            taught = soft.of(train_part)
            told = ~np.isnan(taught).any(axis=1)
            if not told.any():
                raise DataError(f"{settings.soft_labels} has soft labels for none of the {len(train_part)} training sentences")
            by_label = np.asarray([bool(example.labels) for example in train_part])
            facts["taught"] = {"labelled": int((told & by_label).sum()), "unlabelled": int((told & ~by_label).sum())}
        if settings.search:
            trainer, _ = prepare(
                settings, scheme, train_part, validation_part, scratch / "search", quiet=True, taught=taught, protection=protection
            )
            settings = search.search(
                settings, trainer, partial(_restart, scheme=scheme, train=train_part, protection=protection), scratch / "search.json"
            )
        run = fit(settings, scheme, train_part, validation_part, scratch / "run", quiet=quiet, taught=taught, protection=protection)
        _settle(run, settings)
        decisions = {}
        if validation_part and processes.first():
            logits = predict_logits(run, validation_part, scheme, settings)
            decisions = _decisions(run, logits, validation_part, scheme, settings, protection)
        facts |= {"best_epoch": run.best_epoch, "validation_macro_f1": round(run.best_macro_f1, 4)}

    if not processes.first():
        return output
    if continued:
        decisions = inherited_decisions(continued, scheme, decisions)
    fresh = output.with_name(f".{output.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_model(run.trainer.model, run.tokenizer, fresh, compact=settings.compact)
    shutil.copyfile(settings.labels, fresh / "labels.yaml")
    if (Path(settings.base) / "pretrain.json").is_file():
        shutil.copyfile(Path(settings.base) / "pretrain.json", fresh / "pretrain.json")
    if settings.search:
        shutil.copyfile(scratch / "search.json", fresh / "search.json")
    _write_json(fresh / "decisions.json", {"context": bool(settings.context), "labels": decisions})
    record = _record(settings, bases, asked, examples, sides, run, facts, continued, fresh, choice)
    _write_json(fresh / "training.json", record)
    if settings.export:
        export(fresh, quiet=quiet)
    judged = [e for e, side in zip(examples, sides, strict=True) if side in ("test", "development")]
    _judge(fresh, output.name, record, judged, [] if settings.folds else validation_part, continued)
    if output.exists():
        old = output.with_name(f".{output.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        output.rename(old)
        fresh.rename(output)
        shutil.rmtree(old)
    else:
        fresh.rename(output)
    shutil.rmtree(scratch)
    return output


def _protection(
    settings: TrainSettings, scheme: LabelScheme, continued: ModelDirectory | None, examples: Sequence[Example], pool: Pool | None
) -> tuple[TrainSettings, Protection | None]:
    """What keeps the old labels, and the settings with what was found for it, so that their record repeats the run."""
    if continued is None:
        if settings.rehearse:
            raise SettingsError(
                f"setting 'rehearse' needs a base with labels of its own, but {settings.base} has no labels.yaml: leave it out"
            )
        return settings, None
    if not settings.protect:
        return settings, None
    protection = Protection.plan(continued, scheme, examples, settings.rehearse, settings.rehearsal_share, pool, settings.seed)
    files, share = (protection.files, protection.share) if protection else ((), settings.rehearsal_share)
    settings = replace(settings, rehearse=files, rehearsal_share=share)
    if protection and protection.silent and settings.mix_share is None:
        settings = replace(settings, mix_base=settings.base, mix_share=KEPT)
    return settings, protection


def _distinct(files: Sequence[Path]) -> None:
    """Refuse two files of one name, because the record knows what was trained on by file name and id."""
    seen: dict[str, Path] = {}
    for file in files:
        if seen.setdefault(file.name, file).resolve() != file.resolve():
            raise DataError(f"{seen[file.name]} and {file} have the same name, by which the model's record knows them: rename one")


def _judge(
    fresh: Path,
    name: str,
    record: dict[str, Any],
    judged: Sequence[Example],
    validation: Sequence[Example],
    continued: ModelDirectory | None,
) -> None:
    """Put the figures on what the run kept aside into its card and record, beside those of the model continued from.

    The mistakes are counted too: on real sentences that were kept aside, else on any, else on those thresholds were chosen on.
    """
    classifier = Classifier.from_pretrained(fresh)
    known = unseen(record)
    judged = [example for example in judged if known(example) is not None]
    result = measure(classifier, parts(judged, record) if judged else [], record, resamples=200)
    record["figures"]["held_out"] = macro_figures(result, classifier.scheme)
    if continued:
        aside_before = unseen(record_of(continued))
        if any(aside_before(example) is not None for example in judged):
            record["figures"]["against_base"] = compare(continued, classifier.directory, judged, resamples=200)["labels"]
    _write_json(fresh / "training.json", record)
    write_card(result, classifier.directory, name=name)
    aside = [part for part in result["parts"] if part["real"]] or result["parts"]
    if not aside and validation:
        aside = measure(classifier, [Part("validation sentences", list(validation))], record, resamples=1)["parts"]
    if aside:
        errors.write(errors.pooled(aside, record, validation=not result["parts"]), classifier.directory)


def _start(settings: TrainSettings, scheme: LabelScheme) -> Any:
    """The model before training; one that goes on keeps its output rows."""
    model = load_model(settings.base, scheme, settings.dropout, settings.seed)
    if (continued := trained(settings.base)) is not None:
        carry_head(model, continued, scheme, settings.seed)
    freeze(model, settings.frozen or 0.0)
    return model


def _loss(settings: TrainSettings, scheme: LabelScheme, train: Sequence[Example], protection: Protection | None) -> GroupedLoss:
    known = np.where(scored(train, scheme), targets(train, scheme), np.nan) if protection else targets(train, scheme)
    weights = positive_weights(torch.from_numpy(known), settings.weighting)
    if protection:
        # The old model's scores are calibrated: a weight would only drive them up.
        weights[protection.columns()] = 1.0
    return GroupedLoss(scheme, weights, LOSSES[settings.loss])


def _restart(
    trainer: GroupedTrainer, settings: TrainSettings, scheme: LabelScheme, train: Sequence[Example], protection: Protection | None
) -> Any:
    """A fresh model for a trial, with the loss and the layers' learning rates of its settings."""
    trainer.set_recipe(_loss(settings, scheme, train, protection), settings.layer_decay)
    dataset: Any = trainer.train_dataset
    dataset.restart()
    model = _start(settings, scheme)
    trainer.give_head_start(model, scheme)
    # As in a training of its own, so that the final one comes to the same figures.
    set_seed(settings.seed)
    return model


def _settle(run: Run, settings: TrainSettings) -> None:
    """Bring the weights into the form they are stored in, so that thresholds are chosen for what will be used."""
    from training.export import round_weights

    model: Any = run.trainer.model
    device = model.device
    model.to("cpu", torch.float32).eval()
    if settings.mix_base and settings.mix_share:
        mix_back(model, settings.mix_base, settings.mix_share)
    if settings.compact:
        round_weights(model)
    model.to(device)


def _decisions(
    run: Run,
    logits: NDArray[np.float32],
    examples: Sequence[Example],
    scheme: LabelScheme,
    settings: TrainSettings,
    protection: Protection | None = None,
) -> dict[str, Any]:
    """Calibrate the run's model and choose thresholds, both by logits of models that had not seen the sentences."""
    wanted, mask = np.nan_to_num(targets(examples, scheme)) > 0.5, scored(examples, scheme)
    real = np.asarray([example.real for example in examples])
    # Real sentences set the scale; written ones, of which many more carry a label, help where real ones are few.
    weights = np.where(real, 1.0, settings.calibration_weight) if real.any() else np.ones(len(examples))
    scale, shift = calibration(logits, wanted, mask, scheme, weights)
    firmer = protection.firmer((wanted & mask).sum(axis=0)) if protection else {}
    for label in firmer:
        # Calibrated on more sentences than there are here, and held there by its own scores.
        scale[scheme.ids.index(label)], shift[scheme.ids.index(label)] = 1.0, 0.0
    model: Any = run.trainer.model
    if fold_into_head(model, scale, shift):
        logits = (logits * scale + shift).astype(np.float32)
    return choose_thresholds(probabilities(logits, scheme), wanted, mask, scheme, weights) | firmer


def _cross_validated(
    settings: TrainSettings,
    scheme: LabelScheme,
    examples: list[Example],
    scratch: Path,
    quiet: bool,
    protection: Protection | None = None,
) -> tuple[Run, dict[str, Any], dict[str, Any]]:
    """Thresholds and epochs from out-of-fold predictions, then one model on everything; with few labels the epochs are fixed."""
    few, count = settings.recipe == "few", settings.folds or 0
    fold = np.asarray(splits.folds(examples, count, settings.split_seed, even=few))
    if len(set(fold.tolist())) < count:
        raise DataError(f"{len(examples)} sentences are too few for {count} folds: give more data or fewer folds")
    logits = np.zeros((len(examples), len(scheme)), dtype=np.float32)
    epochs, scores = [], []
    finished = [(scratch / f"fold{number}.npz").exists() for number in range(count)]
    for number in range(count):
        inside = [e for e, f in zip(examples, fold, strict=True) if f != number]
        outside = [e for e, f in zip(examples, fold, strict=True) if f == number]
        kept = scratch / f"fold{number}.npz"
        if finished[number]:
            with np.load(kept, allow_pickle=False) as saved:
                logits[fold == number], epoch, score = saved["logits"], float(saved["epoch"]), float(saved["score"])
        else:
            run = fit(settings, scheme, inside, [] if few else outside, scratch / f"fold{number}", quiet=quiet, protection=protection)
            epoch, score = (float(settings.epochs or 0), 0.0) if few else (run.best_epoch, run.best_macro_f1)
            if processes.first():
                part = predict_logits(run, outside, scheme, settings)
                unfinished = kept.with_suffix(".part.npz")
                np.savez(unfinished, logits=part, epoch=epoch, score=score)
                os.replace(unfinished, kept)
                shutil.rmtree(scratch / f"fold{number}")
                logits[fold == number] = part
        epochs.append(epoch)
        scores.append(score)
        if not few:
            logger.warning("fold %d of %d: macro-F1 %.3f at epoch %.0f", number + 1, count, score, epoch)
    rounds = settings.epochs if few else max(1, round(float(np.mean(epochs))))
    run = fit(settings, scheme, examples, [], scratch / "run", epochs=rounds, quiet=quiet, protection=protection)
    _settle(run, settings)
    decisions = _decisions(run, logits, examples, scheme, settings, protection) if processes.first() else {}
    if few:
        # A fold of a few sentences says nothing by itself.
        given = decide(probabilities(logits, scheme), scheme, Decisions())
        together = macro_f1(given, np.nan_to_num(targets(examples, scheme)) > 0.5, scored(examples, scheme), scheme)
        logger.warning("macro-F1 %.2f in %d folds of the %d sentences, at a threshold of 0.5", together, count, len(examples))
        return run, decisions, {"epochs": rounds, "cross_validated_macro_f1": round(together, 4)}
    facts = {"epochs": rounds, "fold_macro_f1": [round(score, 4) for score in scores], "fold_best_epoch": epochs}
    return run, decisions, facts


def _record(
    settings: TrainSettings,
    bases: dict[str, Base],
    asked: dict[str, str],
    examples: Sequence[Example],
    sides: Sequence[str],
    run: Run,
    facts: dict[str, Any],
    continued: ModelDirectory | None,
    fresh: Path,
    choice: recipes.Choice,
) -> dict[str, Any]:
    """What somebody needs to repeat the run: settings, data digests, versions, machine."""
    files = data_files([*settings.data, *settings.rehearse]) + ([settings.soft_labels] if settings.soft_labels else [])
    before = record_of(continued) if continued else {}
    held_out = {side: _ids_by_file([e for e, one in zip(examples, sides, strict=True) if one == side])
                for side in ("test", "development") if side in sides}  # fmt: skip
    return {
        # Paths of this machine mean nothing elsewhere; names do, and paths from where the command was given.
        "settings": {**as_dict(settings), **asked,
                     "output": settings.output.name, "labels": settings.labels.name,
                     "rejected": settings.rejected.name if settings.rejected else None,
                     **{name: [_portable(path) for path in getattr(settings, name)] for name in ("data", "pool", "rehearse")},
                     "soft_labels": _portable(settings.soft_labels) if settings.soft_labels else None},
        "recipe": choice.record(),
        "base": bases["base"].record(),
        **({"mixed_back": bases["mix_base"].record()} if settings.mix_share else {}),
        "data": {file.name: file_digest([file]) for file in files},
        "rehearsed": [file.name for file in data_files(settings.rehearse)],
        "pool": {file.name: file_digest([file]) for file in data_files(settings.pool)},
        "weights": {"sha256": file_digest([fresh / "model.safetensors"])} if (fresh / "model.safetensors").is_file() else {},
        "sentences": {side: sum(one == side for one in sides) for side in ("train", "validation", "test", "development")},
        # By file and id, so that an evaluation knows what the model has not seen.
        "held_out": held_out,
        # What the models before it were trained on, it has seen as well.
        **({"before": _earlier(before, held_out)} if before.get("data") else {}),
        "figures": facts,
        "history": run.history,
        "versions": {name: importlib.metadata.version(name)
                     for name in ("torch", "transformers", "tokenizers", "datasets", "accelerate", "scikit-learn", "numpy")},
        "python": platform.python_version(),
        "machine": machine(settings.precision),
    }  # fmt: skip


def _earlier(before: dict[str, Any], held_out: dict[str, Any]) -> list[dict[str, Any]]:
    """What the runs before this one were trained on; where one kept aside what this one does, that is not said again."""
    found = []
    for run in (before, *before.get("before", [])):
        aside = run.get("held_out", before.get("held_out", {}))
        found.append({"data": run["data"]} | ({} if aside == held_out else {"held_out": aside}))
    return found


def machine(precision: str) -> dict[str, Any]:
    """What of this machine decides the last digits of a run."""
    gpu = torch.cuda.is_available()
    return {
        "processor": platform.machine(),
        "instructions": torch.cuda.get_device_name() if gpu else torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": processes.count(),
        "bf16": uses_bf16(precision, torch.device("cuda" if gpu else "cpu")),
    }


def _portable(path: str | Path) -> str:
    """The path from the working directory where it lies below that, else its name alone."""
    whole = Path(path).resolve()
    return whole.relative_to(Path.cwd()).as_posix() if whole.is_relative_to(Path.cwd()) else whole.name


def _ids_by_file(examples: Sequence[Example]) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for example in examples:
        ids.setdefault(example.file, []).append(example.id)
    return ids


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
