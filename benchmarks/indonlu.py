"""How good is a base? Fine-tune it on IndoNLU tasks as the paper does and print its table with our row.

    python benchmarks/indonlu.py --base DIR --data INDONLU [--tasks smsa casa] [--seeds 1 2 3]
    python benchmarks/indonlu.py --base model --data INDONLU --through-train

The second way is a user's: it writes training and validation split as one CSV and a labels file, gives both to ``classify train`` with
nothing else, and asks the model that comes out.

``INDONLU`` holds ``smsa/{train,valid,test}.tsv`` and ``casa/{train,valid,test}.csv`` (github.com/IndoNLP/indonlu,
Apache-2.0). The validation split picks the epoch, the test split is scored once; macro-F1, for CASA the mean over its six
aspects (Wilie et al. 2020).
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from classify.classifier import Classifier
from classify.cli._extras import quiet_libraries
from classify.decisions import Decisions, decide, probabilities
from classify.labels import Group, Label, LabelScheme
from training.dataset import Example, scored, targets
from training.fitting import fit, predict_logits
from training.metrics import macro_f1
from training.train_settings import TrainSettings

# Wilie et al. 2020, table 5, and one row measured here.
PUBLISHED = {
    "from scratch": {"smsa": 67.4, "casa": 67.2},
    "fastText-indo4b": {"smsa": 82.1, "casa": 82.2},
    "mBERT (179 M)": {"smsa": 84.1, "casa": 72.2},
    "XLM-R base (270 M)": {"smsa": 91.4, "casa": 91.7},
    "IndoBERT-lite base": {"smsa": 90.9, "casa": 89.7},
    "IndoBERT base (124 M)": {"smsa": 87.7, "casa": 93.2},
    "TF-IDF + logistic regression (measured here)": {"smsa": 75.8, "casa": 72.2},
}
CLASSES = ("negative", "neutral", "positive")
ASPECTS = ("fuel", "machine", "others", "part", "price", "service")


def read(task: str, folder: Path, part: str) -> tuple[list[Example], LabelScheme]:
    """One split of a task as examples, and the task's label scheme of exclusive groups."""
    aspects = ("sentiment",) if task == "smsa" else ASPECTS
    groups = tuple(Group(a, tuple(Label(f"{a}:{c}") for c in CLASSES), exclusive=True) for a in aspects)
    examples = []
    if task == "smsa":
        lines = (folder / task / f"{part}.tsv").read_text(encoding="utf-8").splitlines()
        rows = [(line.rsplit("\t", 1)[0], [line.rsplit("\t", 1)[1]]) for line in lines if "\t" in line]
    else:
        with (folder / task / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            rows = [(row["sentence"], [row[aspect] for aspect in ASPECTS]) for row in csv.DictReader(file)]
    for number, (text, answers) in enumerate(rows):
        labels = {a: (f"{a}:{answer}",) for a, answer in zip(aspects, answers, strict=True)}
        examples.append(Example(f"{part}{number}", text, "", labels, f"{part}{number}"))
    return examples, LabelScheme(groups)


def run(task: str, data: Path, settings: TrainSettings) -> float:
    """Test macro-F1 (0-100) of one seed."""
    train, scheme = read(task, data, "train")
    valid, _ = read(task, data, "valid")
    test, _ = read(task, data, "test")
    folder = Path(tempfile.mkdtemp())
    try:
        trained = fit(settings, scheme, train, valid, folder, quiet=True)
        logits = predict_logits(trained, test, scheme, settings)
    finally:
        shutil.rmtree(folder)
    given = decide(probabilities(logits, scheme), scheme, Decisions())
    return 100 * macro_f1(given, targets(test, scheme) > 0.5, scored(test, scheme), scheme)


def through_train(task: str, data: Path, base: str, seed: int) -> float:
    """Test macro-F1 (0-100) of what ``classify train`` makes of a CSV and a labels file, everything else left open."""
    examples, scheme = read(task, data, "train")
    examples += read(task, data, "valid")[0]
    test, _ = read(task, data, "test")
    groups = [{"id": g.id, "exclusive": True, "labels": [label.id for label in g.labels]} for g in scheme.groups]
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "labels.yaml").write_text(yaml.safe_dump({"groups": groups}, sort_keys=False), encoding="utf-8")
        with (folder / "sentences.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", *(group.id for group in scheme.groups)])
            writer.writerows([example.text, *(example.labels[group.id][0] for group in scheme.groups)] for example in examples)
        command = [sys.executable, "-m", "classify", "train", "--data", folder / "sentences.csv", "--labels", folder / "labels.yaml",
                   "--base", base, "--output", folder / "model", "--seed", str(seed), "--quiet"]  # fmt: skip
        subprocess.run([str(part) for part in command], check=True)
        predictions = Classifier.from_pretrained(folder / "model").predict([example.text for example in test])
    finally:
        shutil.rmtree(folder)
    given = np.asarray([[label in p.labels[scheme.group_of(label).id] for label in scheme.ids] for p in predictions])
    return 100 * macro_f1(given, targets(test, scheme) > 0.5, scored(test, scheme), scheme)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--tasks", nargs="+", default=["smsa", "casa"], choices=["smsa", "casa"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, nargs="+", help="at most so many passes, one a task", default=None)
    parser.add_argument("--learning-rate", type=float, default=1.5e-4)
    parser.add_argument("--through-train", action="store_true", help="by `classify train` with its own settings")
    parser.add_argument("--output", type=Path, help="write the figures as JSON here")
    args = parser.parse_args()
    quiet_libraries()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    passes = dict(zip(args.tasks, args.epochs, strict=True)) if args.epochs else {"smsa": 5, "casa": 20}
    ours: dict[str, list[float]] = {}
    for task in args.tasks:
        settings = TrainSettings(
            base=args.base, output=Path("unused"), data=(), epochs=passes[task], patience=4, learning_rate=args.learning_rate,
            batch_size=32, weighting=0.0,
        )  # fmt: skip
        for seed in args.seeds:
            begin = time.perf_counter()
            alone = args.through_train
            score = through_train(task, args.data, args.base, seed) if alone else run(task, args.data, replace(settings, seed=seed))
            ours.setdefault(task, []).append(score)
            print(f"{task} seed {seed}: {score:.1f} ({time.perf_counter() - begin:.0f} s)", flush=True)
    print("\n| base | " + " | ".join(args.tasks) + " |\n|---|" + "--:|" * len(args.tasks))
    for name, row in PUBLISHED.items():
        print(f"| {name} | " + " | ".join(f"{row[task]:.1f}" for task in args.tasks) + " |")
    cells = [f"{np.mean(ours[t]):.1f} ± {statistics.stdev(ours[t]) if len(ours[t]) > 1 else 0:.1f}" for t in args.tasks]
    print(f"| **{Path(args.base).name}** | " + " | ".join(cells) + " |")
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(
            json.dumps({"base": Path(args.base).name, "scores": ours, "epochs": None if args.through_train else passes}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
