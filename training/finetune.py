"""Fine-tuning a base into a model directory: the recipe behind ``classify train``."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify.classifier import Classifier
from classify.decisions import Decisions, decide, probabilities
from classify.errors import DataError, SettingsError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from classify.resources import file_digest
from training import distil, errors, processes, recipes, search, splits
from training.base import read_config, resolve
from training.calibrate import calibration, choose_thresholds, fold_into_head
from training.card import write_card
from training.dataset import Example, Pool, data_files, load, scored, targets
from training.diff import compare, markdown, matches
from training.evaluate import Part, macro_figures, measure, parts, record_of, unseen
from training.fitting import Run, fit, predict_logits, prepare, restart, settle
from training.headstart import supported
from training.metrics import macro_f1
from training.record import portable, record_run
from training.rehearsal import Protection, inherited_decisions, trained
from training.settings import as_dict
from training.train_settings import TrainSettings

logger = logging.getLogger(__name__)

# So much of a trained model comes back when new data could only make it worse at its labels (docs/retraining.md has the figures).
KEPT = 0.4


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
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the folder {output.parent} of the output cannot be made ({error.strerror}): choose another one") from None
    scheme = LabelScheme.load(settings.labels)
    pool = Pool(settings.pool) if settings.pool else None
    loaded = load(settings.data, scheme, pool, settings.table, settings.rejected)
    if loaded.without_text:
        logger.warning("%d labels of real sentences were left out: their articles are not in the pool", loaded.without_text)
    examples = loaded.examples
    continued = trained(settings.base)
    settings = replace(settings, context=bool(continued and continued.decisions.context) if settings.context is None else settings.context)
    kept = matches(continued.scheme, scheme) if continued else {}
    bases = {name: resolve(given) for name in ("base", "mix_base") if (given := getattr(settings, name))}
    if continued:
        logger.warning("%s", _fate(continued, scheme, kept))
    choice = recipes.choose(settings, scheme, examples, new_labels=not kept)
    if choice.said:
        logger.warning("%s", choice.said)
    possible = supported(read_config(bases["base"].path))
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
        name: portable(base.path) if Path(getattr(settings, name)).is_dir() else getattr(settings, name) for name, base in bases.items()
    }
    found: dict[str, Any] = {name: str(base.path) for name, base in bases.items()}
    settings = replace(settings, **found)
    processes.share(settings.batch_size or recipes.BATCH_SIZE)

    soft = distil.SoftLabels.load(settings.soft_labels, scheme) if settings.soft_labels else None
    scratch = output.with_name(f".{output.name}.training")
    soft_digest = file_digest([settings.soft_labels]) if settings.soft_labels else ""
    articles = [name for name, _ in pool.articles()] if pool and settings.unlabelled else []
    # All that decides the run, so that an interrupted one goes on only where nothing has changed.
    said = [[e.id, e.text, e.context, e.labels, e.unknown, e.disputed, e.group, e.split] for e in examples]
    labels = [[group.id, group.exclusive, [label.id for label in group.labels]] for group in scheme.groups]
    weights = {name: base.record() for name, base in bases.items()}
    recipe = json.dumps([as_dict(settings), said, labels, weights, soft_digest, articles], sort_keys=True)
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    if (scratch / "recipe").exists() and (scratch / "recipe").read_text() != key:
        # Checkpoints of another recipe or other data must not be mixed in.
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    if processes.first():
        (scratch / "recipe").write_text(key)
    processes.release()

    if settings.folds:
        run, decisions, facts = _cross_validated(settings, scheme, train_part + validation_part, scratch, quiet, protection)
    else:
        if soft is not None and settings.unlabelled and pool:
            aside = [e for e, side in zip(examples, sides, strict=True) if side != "train"]
            others = distil.unlabelled(pool, examples, aside)
            train_part = train_part + [e for e in others if distil.key(e) in soft.scores]
        settings, run, decisions, facts = _validated(settings, scheme, train_part, validation_part, scratch, quiet, soft, protection)

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
    record = record_run(settings, bases, asked, examples, sides, run, facts, continued, fresh, choice)
    _write_json(fresh / "training.json", record)
    if settings.export:
        export(fresh, quiet=quiet)
    judged = [e for e, side in zip(examples, sides, strict=True) if side in ("test", "development")]
    _judge(fresh, output.name, record, judged, [] if settings.folds else validation_part, continued)
    _swap_in(fresh, output)
    shutil.rmtree(scratch)
    return output


def _fate(continued: ModelDirectory, scheme: LabelScheme, kept: dict[str, str]) -> str:
    """What becomes of every label when a model is trained on."""
    stay = [new if new == old else f"{new} (was {old})" for new, old in kept.items()]
    found = {
        "go on": stay,
        "begin anew": [label for label in scheme.ids if label not in kept],
        "are no more": [label for label in continued.scheme.ids if label not in kept.values()],
    }
    said = "; ".join(f"{what}: {', '.join(labels)}" for what, labels in found.items() if labels)
    return f"labels of {continued.path.name} that {said}"


def _swap_in(fresh: Path, output: Path) -> None:
    """Put the finished directory where an earlier one may stand, which is whole until then."""
    if output.exists():
        old = output.with_name(f".{output.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        output.rename(old)
        fresh.rename(output)
        shutil.rmtree(old)
    else:
        fresh.rename(output)


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
            compared = compare(continued, classifier.directory, judged, resamples=200)
            record["figures"]["against_base"] = compared["labels"]
            logger.warning(
                "Against %s, on sentences kept aside:\n\n%s", record["base"]["name"], markdown(compared, record["base"]["name"], name)
            )
    _write_json(fresh / "training.json", record)
    write_card(result, classifier.directory, name=name)
    aside = [part for part in result["parts"] if part["real"]] or result["parts"]
    if not aside and validation:
        aside = measure(classifier, [Part("validation sentences", list(validation))], record, resamples=1)["parts"]
    if aside:
        errors.write(errors.pooled(aside, record, validation=not result["parts"]), classifier.directory)


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


def _validated(
    settings: TrainSettings,
    scheme: LabelScheme,
    train: list[Example],
    validation: list[Example],
    scratch: Path,
    quiet: bool,
    soft: distil.SoftLabels | None,
    protection: Protection | None = None,
) -> tuple[TrainSettings, Run, dict[str, Any], dict[str, Any]]:
    """One model, its thresholds and epochs from the validation split; the settings are those that a search, if asked for, found."""
    facts: dict[str, Any] = {}
    taught = None
    if soft is not None:
        taught = soft.of(train)
        told = ~np.isnan(taught).any(axis=1)
        if not told.any():
            raise DataError(f"{settings.soft_labels} has soft labels for none of the {len(train)} training sentences")
        by_label = np.asarray([bool(example.labels) for example in train])
        facts["taught"] = {"labelled": int((told & by_label).sum()), "unlabelled": int((told & ~by_label).sum())}
        if settings.overrule:
            taught, wrong = distil.overruled(taught, train, scheme)
            facts["taught"]["overruled"] = int(wrong.any(axis=1).sum())
    if settings.search:
        trainer, _ = prepare(settings, scheme, train, validation, scratch / "search", quiet=True, taught=taught, protection=protection)
        again = partial(restart, scheme=scheme, train=train, protection=protection)
        settings = search.search(settings, trainer, again, scratch / "search.json")
    run = fit(settings, scheme, train, validation, scratch / "run", quiet=quiet, taught=taught, protection=protection)
    settle(run, settings)
    decisions = {}
    if validation and processes.first():
        logits = predict_logits(run, validation, scheme, settings)
        decisions = _decisions(run, logits, validation, scheme, settings, protection)
    facts |= {"best_epoch": run.best_epoch, "validation_macro_f1": round(run.best_macro_f1, 4)}
    facts |= {"seeds": run.seeds} if run.seeds else {}
    return settings, run, decisions, facts


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
    settle(run, settings)
    decisions = _decisions(run, logits, examples, scheme, settings, protection) if processes.first() else {}
    if few:
        # A fold of a few sentences says nothing by itself.
        given = decide(probabilities(logits, scheme), scheme, Decisions())
        together = macro_f1(given, np.nan_to_num(targets(examples, scheme)) > 0.5, scored(examples, scheme), scheme)
        logger.warning("macro-F1 %.2f in %d folds of the %d sentences, at a threshold of 0.5", together, count, len(examples))
        return run, decisions, {"epochs": rounds, "cross_validated_macro_f1": round(together, 4)}
    facts = {"epochs": rounds, "fold_macro_f1": [round(score, 4) for score in scores], "fold_best_epoch": epochs}
    return run, decisions, facts


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
