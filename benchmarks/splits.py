"""What a split would have said, and what more data brings: one recipe, the same sentences judged in several ways.

    python benchmarks/splits.py --base BASE --pool NEWS --output DIR [--system network head tfidf] [--divide ...] [--shares ...] [--jobs 4]

``--divide``: every real sentence is answered by a model that was trained on the others, those of its quarter left out: quarters of
sentences drawn one by one (what a naive split does), of articles with their near-duplicates (what this project does), or of whole outlets.
The sentences, and all that is written for the project, are the same each time, so that the figures differ by the split alone.

``--shares``: models trained on part of the data (whole documents), judged on the development and the fixed test split.

What is trained: the ``network`` by the recipe; or, where there is no time for that, a linear ``head`` on what the base makes of a
sentence (the mean of the words' states in the last layer but one, which stays as it is); or the ``tfidf`` baseline.

Every run's answers are kept in DIR, so an interrupted command goes on where it was. Thresholds are one half; all epochs are run.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.cli._extras import quiet_libraries
from classify.copies import digest
from classify.decisions import Decisions, decide, probabilities
from classify.labels import LabelScheme
from training import splits
from training.base import load_model, load_tokenizer
from training.baselines import TfidfLogistic
from training.corpus import read_texts
from training.dataset import Example, Pool, load, scored, targets
from training.encoding import Collator, Encoded
from training.fitting import fit, predict_logits
from training.metrics import figures
from training.settings import load as settings_from
from training.train_settings import TrainSettings

QUARTERS = 4
DIVISIONS = ("sentence", "article", "outlet")
SYSTEMS = ("network", "head", "tfidf")


def outlets(pool: Sequence[Path]) -> dict[str, str]:
    """For every article of the pool, by the digest the labels name it by, its outlet."""
    found = {}
    for path in pool:
        for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path] if path.suffix == ".jsonl" else []:
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
            for row, text in zip(rows, read_texts(file), strict=True):
                found[digest(text)[:16]] = str(row.get("outlet") or "unknown")
    return found


def quarters(kind: str, examples: Sequence[Example], outlet: dict[str, str]) -> list[int]:
    """The quarter of every real sentence; -1 for those written for the project."""
    if kind == "sentence":
        units = [example.id for example in examples]
    elif kind == "article":
        units = splits.clusters(examples)
    else:
        units = [outlet.get(example.group, example.group) for example in examples]
    sizes: dict[str, int] = defaultdict(int)
    for unit, example in zip(units, examples, strict=True):
        sizes[unit] += example.real
    # The largest first, each into the quarter that has least, so that a few large outlets do not fill one.
    filled, place = [0] * QUARTERS, {}
    for unit in sorted(sizes, key=lambda unit: (-sizes[unit], digest(unit))):
        place[unit] = filled.index(min(filled))
        filled[place[unit]] += sizes[unit]
    return [place[unit] if example.real else -1 for unit, example in zip(units, examples, strict=True)]


def share_of(examples: Sequence[Example], share: float, seed: int) -> set[str]:
    """A share of the documents, another one for every seed."""
    names = sorted({example.group for example in examples})
    return set(np.random.default_rng(seed).permutation(names)[: round(share * len(names))].tolist())


Prepared = tuple[TrainSettings, LabelScheme, list[Example], list[str]]


def prepare(args: argparse.Namespace) -> Prepared:
    """The recipe without teachers, the labels, all sentences, and for each the side it is on."""
    changed = {"epochs": args.epochs, "batch_size": args.batch_size, "learning_rate": args.learning_rate}
    given = {"base": args.base, "pool": args.pool, "output": args.output, **changed}
    settings = replace(settings_from(TrainSettings, args.config, given), soft_labels=None, unlabelled=False)
    scheme = LabelScheme.load(settings.labels)
    examples = load(settings.data, scheme, Pool(args.pool)).examples
    return settings, scheme, examples, splits.assign(examples, 0.0, 0.0, settings.split_seed)


def one(args: argparse.Namespace, system: str, kind: str, number: int) -> None:
    """One model of one kind; its answers go to a file."""
    quiet_libraries()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    settings, scheme, examples, sides = prepare(args)
    if kind in DIVISIONS:
        quarter = quarters(kind, examples, outlets_by_group(args.pool, examples))
        asked = [i for i, part in enumerate(quarter) if part == number]
        learned = [i for i, (part, side) in enumerate(zip(quarter, sides, strict=True)) if part != number and side != "test"]
        seed = settings.seed + number
    else:
        asked = [i for i, side in enumerate(sides) if side in ("development", "test")]
        chosen = share_of([e for e, side in zip(examples, sides, strict=True) if side == "train"], float(kind), number)
        learned = [i for i, (e, side) in enumerate(zip(examples, sides, strict=True)) if side == "train" and e.group in chosen]
        seed = number
    scores = answers(args, system, replace(settings, seed=seed), scheme, examples, learned, asked, f"{system}-{kind}-{number}")
    unfinished = args.output / f"{system}-{kind}-{number}.part.npz"
    np.savez_compressed(unfinished, asked=np.asarray(asked), scores=scores.astype(np.float32), learned=len(learned))
    os.replace(unfinished, args.output / f"{system}-{kind}-{number}.npz")


def answers(
    args: argparse.Namespace,
    system: str,
    settings: TrainSettings,
    scheme: LabelScheme,
    examples: Sequence[Example],
    learned: Sequence[int],
    asked: Sequence[int],
    name: str,
) -> np.ndarray:
    """Scores ``(asked, labels)`` of a system that learned some of the examples."""
    taught = [examples[i] for i in learned]
    known = np.where(scored(taught, scheme), targets(taught, scheme), np.nan)
    if system == "network":
        folder = args.output / name
        run = fit(settings, scheme, taught, [], folder, quiet=True)
        scores = probabilities(predict_logits(run, [examples[i] for i in asked], scheme, settings), scheme)
        shutil.rmtree(folder, ignore_errors=True)
        return scores
    if system == "tfidf":
        texts = [example.text for example in examples]
        model = TfidfLogistic(settings.seed).fit([texts[i] for i in learned], known)
        return model.predict([texts[i] for i in asked]).astype(np.float32)
    states = np.load(args.output / "states.npy")
    scores = np.zeros((len(asked), len(scheme)), dtype=np.float32)
    for column in range(len(scheme)):
        use = ~np.isnan(known[:, column])
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
        head.fit(states[np.asarray(learned)[use]], known[use, column] > 0.5)
        scores[:, column] = head.predict_proba(states[np.asarray(asked)])[:, 1]
    return scores


def represent(args: argparse.Namespace, prepared: Prepared) -> None:
    """What the base makes of every sentence, ``(sentences, width)``, kept in DIR."""
    import torch

    settings, scheme, examples, _ = prepared
    tokenizer, model = load_tokenizer(settings.base), load_model(settings.base, scheme, 0.0, 0).base_model.eval()
    encoded = Encoded(examples, scheme, tokenizer, settings, training=False)
    order = sorted(range(len(examples)), key=lambda i: len(encoded[i]["input_ids"]))
    states = np.zeros((len(examples), model.config.hidden_size), dtype=np.float32)
    collate = Collator(tokenizer)
    with torch.inference_mode():
        for begin in range(0, len(order), 64):
            rows = order[begin : begin + 64]
            batch = collate([encoded[i] for i in rows])
            del batch["labels"]
            layer, mask = model(**batch, output_hidden_states=True).hidden_states[-2], batch["attention_mask"][..., None]
            states[rows] = ((layer * mask).sum(1) / mask.sum(1)).numpy()
    np.save(args.output / "states.npy", states)


def outlets_by_group(pool: Sequence[Path], examples: Sequence[Example]) -> dict[str, str]:
    """For every group of real sentences its outlet: that of one of its articles, of copies the first by name."""
    by_article = {f"n{name[:12]}": where for name, where in sorted(outlets(pool).items(), reverse=True)}
    return {example.group: by_article[example.group] for example in examples if example.group in by_article}


def judged(scores: np.ndarray, rows: Sequence[Example], scheme: LabelScheme) -> dict[str, Any]:
    """Figures with intervals at thresholds of one half."""
    given = decide(scores.astype(np.float64), scheme, Decisions())
    wanted, mask = np.nan_to_num(targets(rows, scheme)) > 0.5, scored(rows, scheme)
    return figures(given, wanted, mask, scheme, [row.group for row in rows]).as_dict()


def measured(args: argparse.Namespace, prepared: Prepared) -> dict[str, Any]:
    """The figures of all runs that are there, also written as JSON."""
    _, scheme, examples, sides = prepared
    result: dict[str, Any] = {"divide": {}, "shares": {}}
    for system in args.system:
        for kind in args.divide:
            parts = [args.output / f"{system}-{kind}-{n}.npz" for n in range(QUARTERS)]
            if not all(part.exists() for part in parts):
                continue
            saved = [np.load(part, allow_pickle=False) for part in parts]
            asked, scores = np.concatenate([run["asked"] for run in saved]), np.concatenate([run["scores"] for run in saved])
            result["divide"].setdefault(system, {})[kind] = judged(scores, [examples[i] for i in asked], scheme)
        for share in args.shares:
            runs = []
            for seed in args.seeds:
                file = args.output / f"{system}-{share:g}-{seed}.npz"
                if not file.exists():
                    continue
                saved_run = np.load(file, allow_pickle=False)
                by_part: dict[str, Any] = {"sentences": int(saved_run["learned"])}
                for part in ("development", "test"):
                    which = [place for place, i in enumerate(saved_run["asked"]) if sides[i] == part]
                    found = judged(saved_run["scores"][which], [examples[saved_run["asked"][place]] for place in which], scheme)
                    by_part[part] = {group: values["macro_f1"][0] for group, values in found["groups"].items()}
                runs.append(by_part)
            if runs:
                result["shares"].setdefault(system, {})[f"{share:g}"] = runs
    (args.output / "splits.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def divided(result: dict[str, Any], scheme: LabelScheme) -> list[str]:
    """The table of the ways to divide: macro-F1 of every group with intervals, F1 of every label."""
    text = ["| system | quarters of | " + " | ".join([f"{group.id} macro-F1" for group in scheme.groups] + scheme.ids) + " |"]
    text += ["|---|---|" + "--:|" * (len(scheme.groups) + len(scheme))]
    for system, kinds in result.items():
        for kind, row in kinds.items():
            cells = ["{:.3f} [{:.3f}, {:.3f}]".format(*row["groups"][group.id]["macro_f1"]) for group in scheme.groups]
            text.append(
                f"| {system} | {kind} | " + " | ".join(cells + [f"{row['labels'][name]['f1'][0]:.3f}" for name in scheme.ids]) + " |"
            )
    for kinds in list(result.values())[:1]:
        labels = next(iter(kinds.values()))["labels"]
        text.append("| *given* | | " + " | ".join([""] * len(scheme.groups) + [str(labels[name]["support"]) for name in scheme.ids]) + " |")
    return text


def shared(result: dict[str, Any], scheme: LabelScheme) -> list[str]:
    """The table of the shares: mean and standard deviation over the seeds."""
    heads = [f"{part} {group.id}" for part in ("development", "test") for group in scheme.groups]
    text = ["| system | share | sentences | runs | " + " | ".join(heads) + " |", "|---|--:|--:|--:|" + "--:|" * len(heads)]
    for system, shares in result.items():
        for share, runs in shares.items():
            cells = []
            for part in ("development", "test"):
                for group in scheme.groups:
                    values = [run[part][group.id] for run in runs]
                    cells.append(f"{statistics.mean(values):.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""))
            sentences = round(statistics.mean(run["sentences"] for run in runs))
            text.append(f"| {system} | {share} | {sentences} | {len(runs)} | " + " | ".join(cells) + " |")
    return text


def plot(path: Path, shares: dict[str, Any], scheme: LabelScheme) -> None:
    """The learning curve of one system: macro-F1 of every group by training sentences."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6))
    for group in scheme.groups:
        for part, style in (("development", "-o"), ("test", "--s")):
            points = [
                (statistics.mean(run["sentences"] for run in runs), [run[part][group.id] for run in runs]) for runs in shares.values()
            ]
            label = f"{group.id}, {'real news' if part == 'development' else 'our own test sentences'}"
            axes.errorbar(
                [x for x, _ in points],
                [statistics.mean(y) for _, y in points],
                [statistics.stdev(y) if len(y) > 1 else 0.0 for _, y in points],
                fmt=style, capsize=3, label=label,
            )  # fmt: skip
    axes.set_xlabel("training sentences")
    axes.set_ylabel("macro-F1")
    axes.set_ylim(0, 1)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--pool", type=Path, action="append", required=True)
    parser.add_argument("--config", type=Path, default=Path("configs/default.yaml"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--system", nargs="+", default=["network"], choices=SYSTEMS)
    parser.add_argument("--divide", nargs="*", default=list(DIVISIONS), choices=DIVISIONS)
    parser.add_argument("--shares", nargs="*", type=float, default=[0.25, 0.5, 1.0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="of the shares")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--batch-size", type=int, help="instead of the recipe's")
    parser.add_argument("--learning-rate", type=float, help="instead of the recipe's")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--plot", type=Path, help="draw the learning curve here")
    parser.add_argument("--run", nargs=3, metavar=("SYSTEM", "KIND", "NUMBER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        one(args, args.run[0], args.run[1], int(args.run[2]))
        return
    args.output.mkdir(parents=True, exist_ok=True)
    kinds = [(kind, n) for n in range(QUARTERS) for kind in args.divide] + [(f"{s:g}", n) for n in args.seeds for s in args.shares]
    names = [(system, kind, n) for system in args.system for kind, n in kinds]
    wanted = [name for name in names if not (args.output / ("{}-{}-{}.npz".format(*name))).exists()]
    prepared = prepare(args)
    if "head" in args.system and not (args.output / "states.npy").exists():
        represent(args, prepared)

    def start(job: tuple[str, str, int]) -> int:
        return subprocess.run([sys.executable, *sys.argv, "--run", *map(str, job)]).returncode

    with ThreadPoolExecutor(args.jobs) as workers:
        failed = ["{}-{}-{}".format(*job) for job, status in zip(wanted, workers.map(start, wanted), strict=True) if status]
    scheme, result = prepared[1], measured(args, prepared)
    print("\n".join([*divided(result["divide"], scheme), "", *shared(result["shares"], scheme)]))
    if args.plot and result["shares"]:
        plot(args.plot, next(iter(result["shares"].values())), scheme)
    if failed:
        sys.exit(f"error: {', '.join(failed)} failed; the same command tries them again")


if __name__ == "__main__":
    main()
