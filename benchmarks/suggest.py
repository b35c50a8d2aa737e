"""Whether sentences that ``classify suggest`` chooses teach more than as many drawn at random.

    python benchmarks/suggest.py --base DIR --data data/sentences.jsonl [--output benchmarks/results/suggest.json]
    python benchmarks/suggest.py --base DIR --data data/sentences.jsonl --fine-tune --strategies hybrid random

The labels are known, but hidden: a model learns from a few sentences drawn at random, each strategy chooses some of the
others, their labels are uncovered, the model learns again, and so on; it is scored on held-out sentences each time. All
strategies of a seed begin with the same sentences. The model is one logistic regression a label over the frozen base's states
(the mean over the tokens, and ``[CLS]``), which takes seconds; ``--fine-tune`` trains the base itself.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, AutoTokenizer

from classify.cli._extras import quiet_libraries
from classify.copies import digest
from classify.decisions import Decisions, decide, probabilities
from classify.labels import LabelScheme
from classify.resources import resource
from classify.suggest import STRATEGIES, Candidate, Pool, choose
from classify.tasks import Labelled
from training.dataset import Example, load, scored, targets
from training.dataset import Pool as Articles
from training.fitting import fit, predict_logits
from training.metrics import macro_f1
from training.train_settings import TrainSettings

HELD_OUT = ("test", "development")
# With so few sentences none can be kept for thresholds or early stopping.
RECIPE = {"learning_rate": 3e-4, "batch_size": 16, "validation": 0.0, "test": 0.0, "precision": "fp32"}

# Scores of the sentences at some places after learning from those at others.
Learner = Callable[[Sequence[int], Sequence[int], int], np.ndarray]


def states(base: Path, examples: Sequence[Example]) -> np.ndarray:
    """The frozen base's states of every sentence, standardised, ``(examples, 2 * hidden)``."""
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base).eval()
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].text))
    result = np.zeros((len(examples), 2 * model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for begin in range(0, len(order), 64):
            rows = order[begin : begin + 64]
            batch = tokenizer([examples[i].text for i in rows], padding=True, truncation=True, max_length=192, return_tensors="pt")
            hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"][..., None]
            result[rows] = torch.cat([hidden[:, 0], (hidden * mask).sum(1) / mask.sum(1)], 1).numpy()
    return (result - result.mean(0)) / (result.std(0) + 1e-6) / np.sqrt(result.shape[1])


def frozen(base: Path, examples: Sequence[Example], wanted: np.ndarray) -> Learner:
    """Logistic regression over the base's states, rare labels' positives weighted up."""
    table = states(base, examples)

    def learn(train: Sequence[int], rows: Sequence[int], seed: int) -> np.ndarray:
        columns = []
        for column in wanted.T:
            known = [i for i in train if not np.isnan(column[i])]
            answers = column[known] > 0.5
            if len(set(answers.tolist())) < 2:
                columns.append(np.full(len(rows), 0.01 + 0.98 * answers.mean()))
                continue
            model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=200).fit(table[known], answers)
            columns.append(model.predict_proba(table[list(rows)])[:, 1])
        return np.stack(columns, axis=1)

    return learn


def fine_tuned(base: Path, examples: Sequence[Example], scheme: LabelScheme, epochs: int) -> Learner:
    """The base itself, trained as ``classify train`` does; thresholds stay at 0.5."""

    def learn(train: Sequence[int], rows: Sequence[int], seed: int) -> np.ndarray:
        settings = TrainSettings(base=str(base), output=Path("unused"), data=(), epochs=epochs, seed=seed, **RECIPE)
        with tempfile.TemporaryDirectory() as folder:
            run = fit(settings, scheme, [examples[i] for i in train], [], Path(folder), quiet=True)
            return probabilities(predict_logits(run, [examples[i] for i in rows], scheme, settings), scheme)

    return learn


def remembering(learn: Learner) -> Learner:
    """The same, with the last answers to the first question of a seed kept: all strategies begin with the same sentences."""
    kept: dict[tuple[int, ...], np.ndarray] = {}

    def ask(train: Sequence[int], rows: Sequence[int], seed: int) -> np.ndarray:
        key = (seed, len(rows), *train)
        if key not in kept:
            kept[key] = learn(train, rows, seed)
        return kept[key]

    return ask


def simulate(
    strategy: str,
    seed: int,
    examples: Sequence[Example],
    scheme: LabelScheme,
    wanted: np.ndarray,
    learn: Learner,
    args: argparse.Namespace,
) -> list[float]:
    """Macro-F1 on the held-out sentences after each round, times 100; the first before any was chosen."""
    held = [i for i, example in enumerate(examples) if example.split in HELD_OUT]
    others = [i for i, example in enumerate(examples) if example.split not in HELD_OUT]
    known = np.random.default_rng(seed).choice(others, args.start, replace=False).tolist()
    figures = []
    for round_number in range(args.rounds + 1):
        last = round_number == args.rounds
        rest = [] if last else sorted(set(others) - set(known))
        scores = learn(known, held + rest, seed)
        given = decide(scores[: len(held)], scheme, Decisions())
        figures.append(100 * macro_f1(given, np.nan_to_num(wanted[held]) > 0.5, ~np.isnan(wanted[held]), scheme))
        if last:
            break
        candidates = [Candidate(examples[i].group, 0, examples[i].text, examples[i].context, examples[i].group) for i in rest]
        labelled = Labelled(
            {digest(examples[i].text) for i in known},
            [examples[i].text for i in known],
            {label: int(np.nansum(wanted[known, column])) for column, label in enumerate(scheme.ids)},
        )
        chosen = choose(Pool(candidates, scores[len(held) :], scheme), args.count, strategy, labelled, seed).chosen
        known += [rest[i] for i in chosen]
    return figures


def interval(values: np.ndarray) -> list[float]:
    """Mean with its 95 % interval over the seeds (Student's t)."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return [round(float(one), 2) for one in (values.mean(), values.mean() - half, values.mean() + half)]


def summary(runs: dict[str, list[list[float]]], sizes: list[int]) -> dict[str, Any]:
    """Per strategy macro-F1 at each size and, seed by seed, what it gains over random; each with its interval."""
    tables = {name: np.asarray(rows) for name, rows in runs.items()}
    result = {}
    for name, table in tables.items():
        result[name] = {"macro_f1": [interval(column) for column in table.T]}
        if "random" in tables and name != "random":
            # Seed by seed: both began with the same sentences.
            result[name]["over_random"] = [interval(column) for column in (table - tables["random"]).T]
    return {"labelled": sizes, "strategies": result}


def draw(result: dict[str, Any], path: Path, title: str) -> None:
    """The curves with their intervals."""
    import matplotlib
    from PIL import Image

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), dpi=90)
    shift = (result["labelled"][-1] - result["labelled"][0]) / 120
    for number, (name, one) in enumerate(result["strategies"].items()):
        mean, low, high = np.asarray(one["macro_f1"]).T
        places = np.asarray(result["labelled"]) + shift * (number - len(result["strategies"]) / 2)
        axes.errorbar(places, mean, [mean - low, high - mean], label=name, capsize=2, linewidth=2 if name in ("hybrid", "random") else 1)
    axes.set(xlabel="labelled sentences", ylabel="macro-F1 × 100, held out", title=title)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, pil_kwargs={"optimize": True})
    # A palette is enough for lines, and a quarter of the size.
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--pool", type=Path, action="append", help="articles that labels without text were drawn from")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=list(STRATEGIES))
    parser.add_argument("--start", type=int, default=200, help="labelled at first, at random")
    parser.add_argument("--count", type=int, default=200, help="chosen a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--limit", type=int, default=4000, help="sentences to choose from, at random; all is slow")
    parser.add_argument("--fine-tune", action="store_true", help="train the base itself")
    parser.add_argument("--epochs", type=int, default=8, help="of --fine-tune")
    parser.add_argument("--output", type=Path, help="JSON file; a .png of the same name is drawn beside it")
    args = parser.parse_args()
    quiet_libraries()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    scheme = LabelScheme.load(resource("configs/labels.yaml"))
    examples = load(args.data, scheme, Articles(args.pool) if args.pool else None).examples
    others = [example for example in examples if example.split not in HELD_OUT]
    random.Random(0).shuffle(others)
    examples = [example for example in examples if example.split in HELD_OUT] + others[: args.limit]
    wanted = np.where(scored(examples, scheme), targets(examples, scheme), np.nan)
    learn = fine_tuned(args.base, examples, scheme, args.epochs) if args.fine_tune else frozen(args.base, examples, wanted)
    sizes = [args.start + args.count * k for k in range(args.rounds + 1)]
    learn = remembering(learn)
    runs: dict[str, list[list[float]]] = {name: [] for name in args.strategies}
    for seed in args.seeds:
        for name in args.strategies:
            runs[name].append(simulate(name, seed, examples, scheme, wanted, learn, args))
            print(f"seed {seed} {name}: " + " ".join(f"{value:.1f}" for value in runs[name][-1]), flush=True)
    result = summary(runs, sizes)
    print("| strategy | " + " | ".join(f"{size} labelled" for size in sizes) + " |\n|---|" + "--:|" * len(sizes))
    for name, one in result["strategies"].items():
        print(f"| {name} | " + " | ".join(f"{mean:.1f} [{low:.1f}, {high:.1f}]" for mean, low, high in one["macro_f1"]) + " |")
        if "over_random" in one:
            print(
                f"| {name}, over random | | "
                + " | ".join(f"{m:+.1f} [{low:+.1f}, {high:+.1f}]" for m, low, high in one["over_random"][1:])
                + " |"
            )
    if args.output:
        model = f"fine-tuned, {args.epochs} epochs" if args.fine_tune else "logistic regression over frozen states"
        facts = {"data": [path.name for path in args.data], "candidates": len(others[: args.limit]), "model": model, "seeds": args.seeds}
        rounded = {name: [[round(value, 2) for value in row] for row in rows] for name, rows in runs.items()}
        args.output.write_text(json.dumps({**facts, **result, "runs": rounded}, indent=1) + "\n", encoding="utf-8")
        draw(result, args.output.with_suffix(".png"), f"{', '.join(facts['data'])}: {model}")


if __name__ == "__main__":
    main()
