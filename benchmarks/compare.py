"""Which recipe is better? Fine-tune variants of one recipe, several seeds each, and score them on the same held-out sentences.

    python benchmarks/compare.py configs/comparisons.yaml --base BASE --pool NEWS --gold GOLD --output DIR [--only NAME] [--jobs 4]

The file names variants and what each changes of the recipe (``configs/default.yaml``). Scored are the fixed test sentences
written for the project, the development split (real articles), by which recipes are chosen, and, for the record, the
sentences of GOLD. Every run's figures are kept in DIR, so an interrupted comparison goes on where it was. The table shows
macro-F1 times 100 of every group (topics / stances), mean and standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from classify.cli._extras import quiet_libraries
from classify.decisions import decide
from classify.modeldir import ModelDirectory
from training.dataset import Pool, load, scored, targets
from training.distil import scores
from training.finetune import train
from training.metrics import label_scores
from training.settings import build
from training.train_settings import TrainSettings


def figures(directory: Path, settings: TrainSettings, pool: list[Path] | None, gold: Path | None) -> dict[str, Any]:
    """Macro-F1 of every group, and F1 of every label with support, on each set of held-out sentences."""
    opened = ModelDirectory.open(directory)
    scheme = opened.scheme
    # All of it, also where the variant was trained without the pool; only what every run keeps aside.
    examples = load(settings.data, scheme, Pool(pool) if pool else None).examples
    sets = {name: [e for e in examples if e.split == name] for name in ("test", "development")}
    if gold:
        sets["gold"] = load([gold], scheme).examples
    result = {}
    for name, rows in sets.items():
        if not rows:
            continue
        given = decide(scores(opened, rows).astype(np.float64), scheme, opened.decisions)
        wanted, mask = np.nan_to_num(targets(rows, scheme)) > 0.5, scored(rows, scheme)
        by_label = label_scores(given, wanted, mask)
        known = {label: value for label, value, n in zip(scheme.ids, by_label["f1"], by_label["support"], strict=True) if n}
        means = {
            group.id: float(np.mean([known[label.id] for label in group.labels if label.id in known] or [0.0])) for group in scheme.groups
        }
        result[name] = {"groups": means, "labels": known}
    return result


def one(args: argparse.Namespace, name: str, seed: int, changes: dict[str, Any]) -> None:
    """Train and score one variant with one seed; in a process of its own."""
    quiet_libraries()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    directory = args.output / f"{name}-{seed}"
    recipe = yaml.safe_load(args.config.read_text(encoding="utf-8"))
    flags = {"base": args.base, "pool": args.pool or [], "output": directory, "seed": seed, "export": False}
    common = {"epochs": args.epochs, "batch_size": args.batch_size, "learning_rate": args.learning_rate}
    flags |= {key: value for key, value in common.items() if value}
    settings = build(TrainSettings, {**recipe, **flags, **changes}, where=f"variant '{name}'")
    train(settings, quiet=True)
    kept = directory.with_suffix(".json")
    kept.write_text(json.dumps(figures(directory, settings, args.pool, args.gold), indent=1) + "\n", encoding="utf-8")
    if not args.keep:
        shutil.rmtree(directory)


def table(output: Path, names: list[str]) -> str:
    """What is there as Markdown."""
    lines: list[str] = []
    for name in names:
        # "name-1.json", not "name-longer-1.json"
        runs = [json.loads(p.read_text()) for p in sorted(output.glob(f"{name}-*.json")) if p.stem.removeprefix(f"{name}-").isdigit()]
        if not runs:
            continue
        sets = list(runs[0])
        if not lines:
            lines = ["| variant | runs | " + " | ".join(sets) + " |", "|---|--:|" + "--:|" * len(sets)]
        cells = []
        for part in sets:
            values = [[100 * run[part]["groups"][group] for run in runs] for group in runs[0][part]["groups"]]
            spread = [f" ± {statistics.stdev(v):.1f}" if len(v) > 1 else "" for v in values]
            cells.append(" / ".join(f"{statistics.mean(v):.1f}{s}" for v, s in zip(values, spread, strict=True)))
        lines.append(f"| {name} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", type=Path)
    parser.add_argument("--base", required=True)
    parser.add_argument("--pool", type=Path, action="append")
    parser.add_argument("--gold", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=Path("configs/default.yaml"))
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, help="of all variants, instead of the recipe's")
    parser.add_argument("--batch-size", type=int, help="of all variants, instead of the recipe's")
    parser.add_argument("--learning-rate", type=float, help="of all variants, instead of the recipe's")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--keep", action="store_true", help="keep the model directories")
    parser.add_argument("--run", nargs=2, metavar=("NAME", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    variants: dict[str, dict[str, Any]] = yaml.safe_load(args.variants.read_text(encoding="utf-8"))
    if args.run:
        one(args, args.run[0], int(args.run[1]), variants[args.run[0]] or {})
        return
    args.output.mkdir(parents=True, exist_ok=True)
    names = args.only or list(variants)
    if unknown := [name for name in names if name not in variants]:
        parser.error(f"no variant {', '.join(unknown)} in {args.variants}; there are: {', '.join(variants)}")
    wanted = [(n, s) for s in args.seeds for n in names if not (args.output / f"{n}-{s}.json").exists()]

    def start(job: tuple[str, int]) -> int:
        return subprocess.run([sys.executable, *sys.argv, "--run", job[0], str(job[1])]).returncode

    with ThreadPoolExecutor(args.jobs) as pool:
        failed = [f"{name}-{seed}" for (name, seed), status in zip(wanted, pool.map(start, wanted), strict=True) if status]
    print(table(args.output, names))
    if failed:
        sys.exit(f"error: {', '.join(failed)} failed; the same command tries them again")


if __name__ == "__main__":
    main()
