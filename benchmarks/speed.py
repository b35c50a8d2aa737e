"""How fast, beside what a user would otherwise run, and beside what the machine can do at all?

    python benchmarks/speed.py --tokenizers DIR [--model model] [--sentences 400] [--rounds 3] [--runs 3] [--output benchmarks/results]

DIR holds ``base/`` with config.json and vocab.txt of IndoBERT-base; its weights are drawn at random, which changes no time.
Every contender runs in a process of its own, warmed up, on the same held-out sentences of ``data/sentences.jsonl`` (each with the
one before it, as the model reads them), with the same number of threads. A cold start is a whole process that classifies one
article: ``classify predict`` for this package, a script that is given the sentences for the others. The limit is the rate at
which this machine multiplies matrices of the model's shapes and does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BATCH = 16
CONTENDERS = {
    "indobert": "IndoBERT-base shape, transformers pipeline",
    "pipeline": "this model, transformers pipeline",
    "fp32": "this model, classify in 32 bits",
    "int8": "this model, classify in 8-bit integers",
    "tfidf": "TF-IDF + logistic regression",
}
Pair = tuple[str, str]


# --- in the contender's process


def pipeline(model: Path, threads: int) -> Callable[[Sequence[Pair]], Any]:
    """The usual way; of single sentences and batches it gets whichever is faster here."""
    import torch
    from transformers import logging
    from transformers import pipeline as make

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(threads)
    classify = make("text-classification", model=str(model), top_k=None, device="cpu")

    def run(pairs: Sequence[Pair], batch_size: int = 1) -> Any:
        return classify(
            [{"text": text, "text_pair": before} if before else {"text": text} for text, before in pairs], batch_size=batch_size
        )

    best = [1]

    def chosen(pairs: Sequence[Pair]) -> Any:
        if len(pairs) > BATCH and len(best) == 1:
            times = {size: timed(lambda size=size: run(pairs[: 4 * BATCH], size)) for size in (1, BATCH)}
            best.append(min(times, key=lambda size: times[size]))
        return run(pairs, best[-1] if len(pairs) > BATCH else 1)

    return chosen


def engine(model: Path, threads: int, kind: str) -> Callable[[Sequence[Pair]], Any]:
    """Our own, in 32 bits or in integers."""
    from classify.classifier import Classifier
    from classify.engine import Int8Engine, OnnxEngine
    from classify.modeldir import ModelDirectory

    opened = ModelDirectory.open(model)
    if kind == "int8":
        assert opened.int8 is not None
        classifier = Classifier(opened, Int8Engine(opened, opened.int8, threads))
    else:
        classifier = Classifier(opened, OnnxEngine(opened, threads))
    return lambda pairs: classifier.predict([text for text, _ in pairs], [before for _, before in pairs], batch_size=BATCH)


def tfidf(fitted: Path) -> Callable[[Sequence[Pair]], Any]:
    """The linear baseline, from the file that this benchmark wrote."""
    model = pickle.loads(fitted.read_bytes())
    return lambda pairs: model.predict([text for text, _ in pairs])


def timed(function: Callable[[], Any]) -> float:
    """Wall seconds."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def contender(name: str, job: dict[str, Any]) -> Callable[[Sequence[Pair]], Any]:
    """The function that classifies sentences."""
    if name == "tfidf":
        return tfidf(Path(job["tfidf"]))
    if name in ("indobert", "pipeline"):
        return pipeline(Path(job["indobert"] if name == "indobert" else job["model"]), job["threads"])
    return engine(Path(job["model"]), job["threads"], name)


def measure(name: str, job: dict[str, Any]) -> dict[str, list[float]]:
    """Throughput and latency of one contender, warmed up."""
    run = contender(name, job)
    pairs = [tuple(pair) for pair in job["pairs"]]
    run(pairs)
    rates = [len(pairs) / timed(lambda: run(pairs)) for _ in range(job["runs"])]
    alone = [1000 * timed(lambda pair=pair: run([pair])) for pair in pairs[:200]]
    return {"rates": rates, "milliseconds": alone, "memory": [peak_memory()]}


def peak_memory() -> float:
    """Most mebibytes this process ever held; what ``getrusage`` says includes the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def limit(job: dict[str, Any]) -> dict[str, float]:
    """Operations a second of matrix products alone, at the shapes of the model's layers and the sentences' mean length."""
    width, inner, threads, tokens = job["width"], job["inner"], job["threads"], job["tokens"]
    shapes = [(width, width)] * 4 + [(width, inner), (inner, width)]
    work = sum(2 * k * n for k, n in shapes)
    best: dict[str, float] = {}
    for kind, rows in (("fp32", BATCH * tokens), ("int8", tokens)):
        runs = [product(k, n, rows, kind, threads) for k, n in shapes]
        # Integers: a sentence a thread, as the engine runs them.
        side = 1 if kind == "fp32" else threads
        with ThreadPoolExecutor(side) as pool:

            def once(runs: list[Callable[[], Any]] = runs, side: int = side, pool: ThreadPoolExecutor = pool) -> None:
                list(pool.map(lambda _: [run() for run in runs for _ in range(20)], range(side)))

            once()
            best[kind] = side * 20 * rows * work / min(timed(once) for _ in range(job["runs"]))
    generator = np.random.default_rng(0)
    arrays = [(generator.normal(size=(BATCH * tokens, k)).astype("f"), generator.normal(size=(k, n)).astype("f")) for k, n in shapes]
    by_numpy = [timed(lambda: [a @ b for a, b in arrays]) for _ in range(20 * job["runs"])]
    return {**best, "fp32 (numpy)": BATCH * tokens * work / min(by_numpy)}


def product(inputs: int, outputs: int, rows: int, kind: str, threads: int) -> Callable[[], Any]:
    """One matrix product in ONNX Runtime."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)
    if kind == "fp32":
        x, w = generator.normal(size=(rows, inputs)).astype("f"), generator.normal(size=(inputs, outputs)).astype("f")
        node, types = helper.make_node("MatMul", ["x", "w"], ["y"]), (TensorProto.FLOAT, TensorProto.FLOAT)
    else:
        x, w = generator.integers(0, 256, (rows, inputs), np.uint8), generator.integers(-127, 128, (inputs, outputs), np.int8)
        node, types = helper.make_node("MatMulInteger", ["x", "w"], ["y"]), (TensorProto.UINT8, TensorProto.INT32)
    graph = helper.make_graph(
        [node], "product", [helper.make_tensor_value_info("x", types[0], x.shape)],
        [helper.make_tensor_value_info("y", types[1], (rows, outputs))], [numpy_helper.from_array(w, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads if kind == "fp32" else 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})


# --- in the first process


def process(command: list[str], environment: dict[str, str], output: Any = subprocess.DEVNULL) -> tuple[float, bytes]:
    """Wall seconds and standard output of one process."""
    begin = time.perf_counter()
    done = subprocess.run(command, stdout=output, env=environment, cwd=ROOT)
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, done.stdout or b""


def middle(values: Sequence[float]) -> list[float]:
    """Median and the quartiles around it."""
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return [round(value, 4) for value in (statistics.median(values), low, high)]


def prepare(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What all contenders share: sentences, the article, the random IndoBERT, the fitted linear model."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, logging

    from classify.modeldir import ModelDirectory
    from training.base import load_tokenizer
    from training.baselines import TfidfLogistic
    from training.dataset import load, targets

    opened = ModelDirectory.open(args.model)
    examples = load([args.data], opened.scheme).examples
    held_out = [e for e in examples if e.split == "test"]
    step = max(1, len(held_out) // args.sentences)
    pairs = [(e.text, e.context if opened.decisions.context else "") for e in held_out[::step]][: args.sentences]
    tokenizer = opened.tokenizer()
    lengths = [len(one) for one in tokenizer.encode_batch([pair if pair[1] else pair[0] for pair in pairs])]
    # What `classify predict` does without the graph in integers.
    plain = Path(shutil.copytree(args.model, folder / "fp32", ignore=shutil.ignore_patterns("model_int8.onnx", "*.safetensors")))
    indobert = folder / "indobert"
    config = AutoConfig.from_pretrained(args.tokenizers / "base", id2label=dict(enumerate(opened.scheme.ids)))
    logging.disable_progress_bar()
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(indobert)
    load_tokenizer(args.tokenizers / "base").save_pretrained(indobert)
    rows = [e for e in examples if e.split != "test"]
    fitted = folder / "tfidf.pickle"
    fitted.write_bytes(pickle.dumps(TfidfLogistic().fit([e.text for e in rows], targets(rows, opened.scheme))))
    width, inner, layers = (int(opened.config[key]) for key in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    dense = [2 * n * layers * (4 * width * width + 2 * width * inner) for n in lengths]
    attention = [4 * n * n * width * layers for n in lengths]
    return {
        "model": str(args.model.resolve()), "model_fp32": str(plain), "indobert": str(indobert),
        "tfidf": str(fitted), "pairs": pairs, "runs": args.runs,
        "threads": args.threads, "width": width, "inner": inner, "tokens": round(statistics.mean(lengths)),
        "dense": statistics.mean(dense), "attention": statistics.mean(attention), "int8": opened.int8 is not None,
    }  # fmt: skip


def run_all(args: argparse.Namespace) -> dict[str, Any]:
    """Everything measured, as JSON values."""
    from classify.canaries import processor
    from classify.sentences import split

    article = args.article.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = prepare(args, folder)
        path = folder / "job.json"
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(args.threads),
            "TOKENIZERS_PARALLELISM": "true", "CLASSIFY_CACHE": str(folder / "cache"),
        }  # fmt: skip
        job["article"] = [[s.text, ""] for s in split(article.read_text(encoding="utf-8")) if not s.furniture]
        path.write_text(json.dumps(job), encoding="utf-8")
        kept: dict[str, dict[str, list[float]]] = {}
        rates: dict[str, float] = {}
        here = [sys.executable, str(Path(__file__).resolve()), "--job", str(path)]
        # In rounds, so that a machine that gets slower does so for all.
        for number in range(args.rounds):
            for contender_name in CONTENDERS:
                if contender_name == "int8" and not job["int8"]:
                    continue
                values = kept.setdefault(contender_name, {"starts": [], "rates": [], "milliseconds": [], "memory": []})
                found = json.loads(process([*here, "--measure", contender_name], environment, subprocess.PIPE)[1].splitlines()[-1])
                for key, more in found.items():
                    values[key] += more
                cold = [*here, "--cold", contender_name]
                if contender_name in ("fp32", "int8"):
                    model = job["model"] if contender_name == "int8" else job["model_fp32"]
                    cold = [sys.executable, "-m", "classify", "predict", str(article), "--model", model]
                if number == 0:
                    process(cold, environment)
                values["starts"] += [process(cold, environment)[0] for _ in range(args.runs)]
                print(f"round {number + 1}: {CONTENDERS[contender_name]}", file=sys.stderr)
            now = json.loads(process([*here, "--measure", "limit"], environment, subprocess.PIPE)[1].splitlines()[-1])
            rates = {kind: max(value, rates.get(kind, 0.0)) for kind, value in now.items()}
    rows: dict[str, Any] = {
        name: {
            "title": CONTENDERS[name],
            "cold_start_s": middle(values["starts"]),
            "sentences_per_s": middle(values["rates"]),
            "p50_ms": round(float(np.percentile(values["milliseconds"], 50)), 3),
            "p95_ms": round(float(np.percentile(values["milliseconds"], 95)), 3),
            "peak_memory_mib": round(max(values["memory"])),
        }
        for name, values in kept.items()
    }
    fp32 = max(rates["fp32"], rates["fp32 (numpy)"])
    fastest = {
        "fp32": fp32 / (job["dense"] + job["attention"]),
        "int8": 1 / (job["dense"] / rates["int8"] + job["attention"] / fp32),
    }
    for kind, value in fastest.items():
        if kind in rows:
            rows[kind]["percent_of_limit"] = round(100 * rows[kind]["sentences_per_s"][0] / value, 1)
    return {
        "processor": processor(), "threads": args.threads, "sentences": len(job["pairs"]), "tokens_a_sentence": job["tokens"],
        "rounds": args.rounds, "runs": args.runs, "operations_a_sentence": round(job["dense"] + job["attention"]),
        "operations_per_s": {kind: round(value) for kind, value in rates.items()},
        "limit_sentences_per_s": {kind: round(value, 1) for kind, value in fastest.items()}, "contenders": rows,
    }  # fmt: skip


def markdown(result: dict[str, Any]) -> str:
    """The table, and the figures against each other."""
    lines = [
        f"{result['processor']}, {result['threads']} threads; {result['sentences']} sentences of {result['tokens_a_sentence']} tokens on "
        f"average, {result['rounds']} rounds of {result['runs']} runs; medians, quartiles in brackets",
        "",
        "| | cold start, s | sentences/s | one sentence p50, ms | p95, ms | peak memory, MiB | of the limit |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in result["contenders"].values():
        cold, rate = row["cold_start_s"], row["sentences_per_s"]
        share = f"{row['percent_of_limit']:.0f} %" if "percent_of_limit" in row else ""
        lines.append(
            f"| {row['title']} | {cold[0]:.2f} [{cold[1]:.2f}, {cold[2]:.2f}] | {rate[0]:.1f} [{rate[1]:.1f}, {rate[2]:.1f}] | "
            f"{row['p50_ms']:.1f} | {row['p95_ms']:.1f} | {row['peak_memory_mib']} | {share} |"
        )
    rates = ", ".join(f"{kind} {value / 1e9:.0f}" for kind, value in result["operations_per_s"].items())
    lines += ["", f"Matrix products alone, thousand million operations a second: {rates}."]
    rows = result["contenders"]
    for kind in ("fp32", "int8"):
        if kind in rows:
            cold = rows["indobert"]["cold_start_s"][0] / rows[kind]["cold_start_s"][0]
            many = [rows[kind]["sentences_per_s"][0] / rows[other]["sentences_per_s"][0] for other in ("indobert", "pipeline")]
            lines.append(
                f"{rows[kind]['title']}: starts {cold:.1f} times as fast as the pipeline on IndoBERT-base's shape, classifies "
                f"{many[0]:.1f} times as many sentences, and {many[1]:.1f} times as many as the pipeline on the same model."
            )
    return "\n".join(lines)


def draw(result: dict[str, Any], path: Path) -> None:
    """Cold start and throughput as bars."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = list(result["contenders"].values())[::-1]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.2), sharey=True, layout="constrained")
    for axis, key, label in zip(axes, ("cold_start_s", "sentences_per_s"), ("cold start, seconds", "sentences a second"), strict=True):
        values = [row[key] for row in rows]
        errors = [[v[0] - v[1] for v in values], [v[2] - v[0] for v in values]]
        axis.barh([row["title"] for row in rows], [v[0] for v in values], xerr=np.maximum(errors, 0), color="#4878a8", capsize=2)
        axis.set(xlabel=label, xscale="log")
        for at, value in enumerate(values):
            axis.annotate(f" {value[0]:.3g}", (value[2], at), va="center", fontsize="small")
        axis.margins(x=0.15)
    axes[1].axvline(result["limit_sentences_per_s"]["fp32"], color="grey", linestyle="--", linewidth=0.8)
    figure.suptitle(f"{result['processor'].split(' avx')[0]}, {result['threads']} threads (dashed: limit in 32 bits)", fontsize="medium")
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def main() -> None:
    """Measure one contender in its own process, or start them all and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizers", type=Path)
    parser.add_argument("--model", type=Path, default=ROOT / "model")
    parser.add_argument("--data", type=Path, default=ROOT / "data/sentences.jsonl")
    parser.add_argument("--article", type=Path, default=ROOT / "seeds/korut-rusia-merapat.txt")
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3, help="of every contender in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--output", type=Path, help="folder for speed.json and speed.png")
    for hidden in ("--measure", "--cold", "--job"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        job = json.loads(Path(args.job).read_text(encoding="utf-8"))
        if args.cold:
            contender(args.cold, job)([tuple(pair) for pair in job["article"]])
        else:
            print(json.dumps(limit(job) if args.measure == "limit" else measure(args.measure, job)))
        return
    if args.tokenizers is None:
        parser.error("--tokenizers DIR is needed: the folder that holds base/config.json and base/vocab.txt")
    result = run_all(args)
    print(markdown(result))
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        (args.output / "speed.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        draw(result, args.output / "speed.png")


if __name__ == "__main__":
    main()
