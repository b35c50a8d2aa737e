"""Looking for better settings: the Trainer's own hyper-parameter search with Optuna, judged by validation macro-F1."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classify.errors import MissingExtraError, SettingsError
from training import processes, recipes

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from training.train_settings import TrainSettings
    from training.trainer import GroupedTrainer

logger = logging.getLogger(__name__)


def check(settings: TrainSettings) -> None:
    """Raise what stands in the way of a search before any work is done.

    Raises:
        MissingExtraError: where Optuna is not installed.
        SettingsError: in several processes, which would each need a study of their own.
    """
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError("a search", "search")
    if processes.count() > 1:
        raise SettingsError("a search runs in one process: search first, then train in several with the settings that search.json holds")


def space(settings: TrainSettings) -> dict[str, BaseDistribution]:
    """What is tried, around the recipe: within a factor of four the learning rate, of two the batch, down to half the epochs."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    rate, epochs = settings.learning_rate or recipes.LEARNING_RATE, settings.epochs or recipes.EPOCHS
    batch = settings.batch_size or recipes.BATCH_SIZE
    return {
        "learning_rate": FloatDistribution(rate / 4, rate * 4, log=True),
        "epochs": IntDistribution(max(1, epochs // 2), epochs),
        "batch_size": CategoricalDistribution([max(1, batch // 2), batch, batch * 2]),
        "dropout": FloatDistribution(0.0, max(0.3, settings.dropout)),
        "layer_decay": FloatDistribution(min(0.7, settings.layer_decay), 1.0),
        "weighting": FloatDistribution(0.0, 1.0),
    }


def _proposed(trial: Any, space: dict[str, BaseDistribution]) -> dict[str, Any]:
    """The trial's settings; asking again gives the same."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    values: dict[str, Any] = {}
    for name, one in space.items():
        kind: Any = one
        if isinstance(one, CategoricalDistribution):
            values[name] = trial.suggest_categorical(name, one.choices)
        elif isinstance(one, IntDistribution):
            values[name] = trial.suggest_int(name, one.low, one.high)
        else:
            values[name] = float(f"{trial.suggest_float(name, kind.low, kind.high, log=kind.log):.4g}")
    return values


def search(
    settings: TrainSettings,
    trainer: GroupedTrainer,
    restart: Callable[[GroupedTrainer, TrainSettings], Any],
    record: Path,
) -> TrainSettings:
    """The settings of the trial with the best validation macro-F1; the first trial is the recipe as it stands.

    Trials are drawn by a tree-structured Parzen estimator (Bergstra et al., 2011), each from a seed of its own, so that a search
    which was interrupted goes on from ``record`` as if it had not been.

    Args:
        settings: the recipe; ``settings.search`` is the number of trials.
        trainer: with the data of the recipe; what it is set to do is changed.
        restart: gives the model to train by the settings of a trial, and tells the trainer what its arguments do not hold.
        record: JSON file of the trials, kept up to date.
    """
    import optuna
    from transformers.trainer_utils import SaveStrategy

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    tried = space(settings)
    trials: list[dict[str, Any]] = json.loads(record.read_text(encoding="utf-8"))["trials"] if record.exists() else []
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="search", direction="maximize")
    for trial in trials:
        study.add_trial(optuna.trial.create_trial(params=trial["drawn"], distributions=tried, value=trial["macro_f1"]))
    if not trials:
        study.enqueue_trial({name: getattr(settings, name) for name in tried})
    scores: list[float] = []

    def model_init(trial: Any) -> Any:
        scores.clear()
        return restart(trainer, replace(settings, **_proposed(trial, tried)))

    def arguments(trial: Any) -> dict[str, Any]:
        values = _proposed(trial, tried)
        return {
            "learning_rate": values["learning_rate"], "num_train_epochs": values["epochs"],
            "per_device_train_batch_size": values["batch_size"],
        }  # fmt: skip

    def best_so_far(metrics: dict[str, float]) -> float:
        # Training keeps the best epoch, not the last.
        scores.append(metrics["eval_macro_f1"])
        return max(scores)

    trainer.model_init = model_init
    trainer.args.save_strategy = SaveStrategy.NO
    for number in range(len(trials), settings.search):
        trainer.hyperparameter_search(
            arguments, best_so_far, n_trials=1, direction="maximize", backend="optuna", storage=storage, study_name="search",
            load_if_exists=True, sampler=optuna.samplers.TPESampler(seed=settings.seed + number), pruner=optuna.pruners.NopPruner(),
        )  # fmt: skip
        done = study.get_trials(deepcopy=False)[-1]
        values = _proposed(optuna.trial.FixedTrial(done.params), tried)
        trials.append(
            {"settings": values, "macro_f1": round(max(scores), 6), "best_epoch": scores.index(max(scores)) + 1, "drawn": done.params}
        )
        _write(record, settings, trials)
        told = ", ".join(f"{name} {value:g}" for name, value in values.items())
        logger.warning("trial %d of %d: macro-F1 %.3f with %s", number + 1, settings.search, max(scores), told)
    return replace(settings, **best(trials)["settings"])


def best(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """The trial with the highest macro-F1, the earlier of equals."""
    return max(trials, key=lambda trial: trial["macro_f1"])


def _write(record: Path, settings: TrainSettings, trials: list[dict[str, Any]]) -> None:
    chosen = trials.index(best(trials)) + 1
    content = {"sampler": "TPE", "seed": settings.seed, "metric": "validation macro-F1", "best_trial": chosen, "trials": trials}
    partial = record.with_suffix(".part")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, record)
