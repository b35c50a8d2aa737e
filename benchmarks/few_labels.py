"""Which way to train does best with 8 to 64 sentences a label? SmSA, macro-F1 on its test split.

    python benchmarks/few_labels.py --base model --data INDONLU --output benchmarks/results/few-labels.json

``INDONLU`` as for ``benchmarks/indonlu.py``. Every draw takes as many sentences of each label from the training split; all ways learn
from the same ones. What the output file holds already is not run again. ``--plot`` draws the curve.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from indonlu import read

from classify.cli._extras import quiet_libraries
from classify.decisions import Decisions, decide, probabilities
from classify.labels import LabelScheme
from training import recipes
from training.dataset import Example, scored, targets
from training.encoding import Collator, Encoded
from training.fitting import Run, fit, predict_logits, prepare
from training.headstart import start_head
from training.metrics import macro_f1
from training.train_settings import TrainSettings
from training.trainer import level

# What each way changes of the settings below; `steps` is the number of steps of sixteen sentences.
WAYS: dict[str, dict[str, Any]] = {
    "fine-tuned": {"head_start": False, "steps": recipes.FEW_STEPS_ALONE},
    "lower half frozen": {"head_start": False, "frozen": 0.5, "steps": recipes.FEW_STEPS_ALONE},
    "lower layers slower": {"head_start": False, "layer_decay": 0.8, "steps": recipes.FEW_STEPS_ALONE},
    "logistic regression": {"steps": 0},
    "contrast": {"steps": 40},
    "head start, all layers": {"steps": recipes.FEW_STEPS},
    "few": {"frozen": recipes.FEW_FROZEN, "steps": recipes.FEW_STEPS},
}


def draw(examples: Sequence[Example], group: str, count: int, seed: int) -> list[Example]:
    """``count`` sentences of each label."""
    order = [examples[i] for i in np.random.default_rng(seed).permutation(len(examples))]
    labels = sorted({example.labels[group][0] for example in examples})
    return [example for label in labels for example in [e for e in order if e.labels[group][0] == label][:count]]


def contrast(run: Run, examples: Sequence[Example], scheme: LabelScheme, settings: TrainSettings, steps: int) -> None:
    """The pre-step of SetFit (Tunstall et al. 2022) on the head start's sentence vectors, then its head anew; in place.

    Vectors of the same label are drawn together, others apart, by the cosine of what is left when their common mean is taken away: a base
    trained by contrast has all of them in one direction.
    """
    model: Any = run.trainer.model
    known = Encoded(examples, scheme, run.tokenizer, settings, training=False)
    collate, random = Collator(run.tokenizer), np.random.default_rng(settings.seed)
    answer = torch.from_numpy(known.targets).argmax(1)

    def vectors(batch: dict[str, Any]) -> Any:
        batch.pop("labels", None)
        return model.base_model(**batch).last_hidden_state[:, 0]

    with torch.no_grad():
        mean = torch.cat([vectors(batch) for batch in known.batches(collate)]).mean(0)
    half, top = round(0.5 * model.config.num_hidden_layers), model.config.num_hidden_layers
    trained = [values for name, values in model.named_parameters() if half < level(name) < top]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / (0.1 * steps), (steps - step) / (0.9 * steps)))
    model.train()
    for _ in range(steps):
        rows = random.choice(len(known), min(16, len(known)), replace=False)
        states = torch.nn.functional.normalize(vectors(collate([known[int(i)] for i in rows])) - mean, dim=1)
        same = answer[rows][:, None] == answer[rows][None]
        error = (states @ states.T - same.float()) ** 2
        others = ~torch.eye(len(rows), dtype=torch.bool)
        loss = error[same & others].mean() + error[~same].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    start_head(model, known.batches(collate), known.targets, run.trainer.loss, scheme)


def trained(way: str, settings: TrainSettings, train: Sequence[Example], scheme: LabelScheme, folder: Path) -> Run:
    """A model that learnt from ``train`` in one of ``WAYS``."""
    changes = dict(WAYS[way])
    steps = changes.pop("steps")
    a_pass = math.ceil(len(train) / recipes.FEW_BATCH_SIZE)
    settings = replace(settings, **{"head_start": True, "epochs": max(1, math.ceil(steps / a_pass)), **changes})
    if way not in ("logistic regression", "contrast"):
        return fit(settings, scheme, train, [], folder, quiet=True)
    run = Run(*prepare(settings, scheme, train, [], folder, quiet=True))
    if way == "contrast":
        contrast(run, train, scheme, settings, steps)
    return run


def interval(values: Sequence[float]) -> float:
    """Half the width of a 95 % interval of the mean, by Student's t."""
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else float("nan")


def table(found: dict[str, dict[str, list[float]]], counts: Sequence[int]) -> str:
    """Markdown: mean and interval by way and sentences a label."""
    lines = ["| | " + " | ".join(map(str, counts)) + " |", "|---|" + "--:|" * len(counts)]
    for way, row in found.items():
        cells = [f"{np.mean(v):.1f} ± {interval(v):.1f}" if (v := row.get(str(count))) else "" for count in counts]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(found: dict[str, dict[str, list[float]]], path: Path) -> None:
    """The curve, with intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for way, row in found.items():
        counts = sorted(map(int, row))
        values = [row[str(count)] for count in counts]
        axes.errorbar(counts, [np.mean(v) for v in values], [interval(v) for v in values], marker="o", capsize=3, label=way)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="sentences a label", ylabel="macro-F1 on SmSA's test split")
    axes.set_xticks([8, 16, 32, 64], ["8", "16", "32", "64"])
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=80)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--sentences", nargs="+", type=int, default=[8, 16, 32, 64], help="a label")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--output", type=Path, required=True, help="JSON, added to")
    parser.add_argument("--plot", type=Path, help="PNG of the curve")
    args = parser.parse_args()
    quiet_libraries()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    pool, scheme = read("smsa", args.data, "train")
    test, _ = read("smsa", args.data, "test")
    truth, mask = targets(test, scheme) > 0.5, scored(test, scheme)
    found: dict[str, dict[str, list[float]]] = json.loads(args.output.read_text()) if args.output.exists() else {}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(args.draws):
        for count in args.sentences:
            for way in args.ways:
                scores = found.setdefault(way, {}).setdefault(str(count), [])
                if len(scores) > seed:
                    continue
                settings = TrainSettings(
                    base=args.base, output=Path("unused"), data=(), recipe="few", batch_size=recipes.FEW_BATCH_SIZE, seed=seed
                )
                begin, folder = time.process_time(), Path(tempfile.mkdtemp())
                try:
                    run = trained(way, settings, draw(pool, "sentiment", count, seed), scheme, folder)
                    logits = predict_logits(run, test, scheme, settings)
                finally:
                    shutil.rmtree(folder)
                given = decide(probabilities(logits, scheme), scheme, Decisions())
                scores.append(round(100 * macro_f1(given, truth, mask, scheme), 2))
                print(
                    f"{way}, {count} a label, draw {seed}: {scores[-1]:.1f} ({time.process_time() - begin:.0f} s of processor)", flush=True
                )
                unfinished = args.output.with_suffix(".part")
                unfinished.write_text(json.dumps(found, indent=1) + "\n")
                os.replace(unfinished, args.output)
    print("\n" + table(found, args.sentences))
    if args.plot:
        plot(found, args.plot)


if __name__ == "__main__":
    main()
