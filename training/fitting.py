"""One training: from examples to a model in memory."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import EarlyStoppingCallback, EvalPrediction, PrinterCallback, TrainingArguments, set_seed

from classify.decisions import Decisions, decide, probabilities
from classify.labels import LabelScheme
from classify.modeldir import positions
from training import processes, recipes
from training.base import load_model, load_tokenizer
from training.dataset import Example, scored, targets
from training.encoding import Collator, Encoded
from training.loss import LOSSES, GroupedLoss, positive_weights
from training.metrics import macro_f1
from training.mixing import mix_back
from training.precision import uses_bf16
from training.rehearsal import Protection, carry_head, trained
from training.train_settings import TrainSettings
from training.trainer import GroupedTrainer, freeze

logger = logging.getLogger(__name__)


@dataclass
class Run:
    """One finished training: the trainer and, where there was validation, which epoch was best and how good.

    Of a mean of several trainings ``seeds`` says the same of each, the history is the last one's.
    """

    trainer: GroupedTrainer
    tokenizer: Any
    best_epoch: float = 0.0
    best_macro_f1: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    seeds: list[dict[str, float]] = field(default_factory=list)


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
    number: int = 0,
) -> tuple[GroupedTrainer, Any]:
    """The trainer of :func:`fit`, ready to train, and the tokenizer; ``number`` counts the trainings of which the mean is taken."""
    quiet = quiet or not processes.first()
    set_seed(settings.seed)
    tokenizer = load_tokenizer(settings.base)
    model = _start(settings, scheme)
    if number:
        # Only what has one beginning, a new head included, can be averaged.
        settings = replace(settings, seed=settings.seed + number)
        set_seed(settings.seed)
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
    """Train once, or ``settings.seeds`` times from the same base; then the mean of the weights is the model.

    Weights fine-tuned from one base by several seeds mostly lie in one basin of the loss, where their mean is at least as good as
    they are and depends less on chance (model soups, Wortsman et al. 2022).

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
    count = settings.seeds
    if count == 1:
        return _fit(settings, scheme, train, validation, folder, epochs, quiet, taught, protection)
    mean: dict[str, torch.Tensor] = {}
    seeds = []
    for number in range(count):
        seed = settings.seed + number
        run = _fit(settings, scheme, train, validation, folder / f"seed{seed}", epochs, quiet, taught, protection, number)
        model: Any = run.trainer.model
        for name, values in model.state_dict().items():
            weights = values.detach().float().cpu().clone()
            mean[name] = weights if not number else mean[name].lerp_(weights, 1 / (number + 1))
        seeds.append({"seed": seed, "best_epoch": run.best_epoch, "validation_macro_f1": round(run.best_macro_f1, 4)})
        if validation:
            logger.warning("seed %d, %d of %d: macro-F1 %.3f on the validation split", seed, number + 1, count, run.best_macro_f1)
    model.load_state_dict(mean)
    together = run.trainer.evaluate()["eval_macro_f1"] if validation else 0.0
    return replace(run, best_epoch=float(np.mean([one["best_epoch"] for one in seeds])), best_macro_f1=float(together), seeds=seeds)


def _fit(
    settings: TrainSettings,
    scheme: LabelScheme,
    train: Sequence[Example],
    validation: Sequence[Example],
    folder: Path,
    epochs: int | None,
    quiet: bool,
    taught: NDArray[np.float32] | None,
    protection: Protection | None,
    number: int = 0,
) -> Run:
    """Train once."""
    trainer, tokenizer = prepare(settings, scheme, train, validation, folder, epochs, quiet, taught, protection, number)
    last = _last_checkpoint(folder)
    if last is not None:
        logger.warning("resuming from the last checkpoint in %s", folder)
    trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    # The first process clears checkpoints away, which the others may still be reading.
    processes.meet()
    history = [row for row in trainer.state.log_history if "eval_macro_f1" in row]
    best = max(history, key=lambda row: row["eval_macro_f1"], default=None)
    return Run(trainer, tokenizer, float(best["epoch"]) if best else 0.0, float(best["eval_macro_f1"]) if best else 0.0, history)


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole: its state is written last, so that one cut off half-way has none or half of one."""
    whole = []
    for state in folder.glob("checkpoint-*/trainer_state.json"):
        with suppress(ValueError):
            json.loads(state.read_text(encoding="utf-8"))
            whole.append(state.parent)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


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


def restart(
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


def settle(run: Run, settings: TrainSettings) -> None:
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
