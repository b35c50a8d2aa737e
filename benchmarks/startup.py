"""How long does one article take, from the shell to the last row? Whole processes, as a user starts them.

    python benchmarks/startup.py FILE [--runs 10] [--where]

``--where`` also goes through the same steps one after the other, in processes of its own, and prints what processor time each takes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

STEPS = {
    "Python itself": "",
    "click and the command": "import click, classify.cli.predict",
    "numpy": "import numpy",
    "onnxruntime": "import onnxruntime",
    "tokenizers": "import tokenizers",
    "writers, PyYAML": "import classify.writers, yaml",
    "the rest of classify": "from classify.classifier import Classifier; from classify import predict as flow",
    "model directory, labels": "from classify.modeldir import ModelDirectory; directory = ModelDirectory.open()",
    "rules for sentences, sentencex": "import sentencex; flow.prepare()",
    "rich (table only)": "import rich.console, rich.table",
    "network made ready": "from classify.engine import open_engine; engine = open_engine(directory)",
    "tokenizer": "classifier = Classifier(directory, engine)",
    "the article": "rows = list(flow.rows_of(sys.argv[1], classifier, flow.Options()))",
}


def once(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak resident mebibytes of one run."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def where(file: str, runs: int) -> dict[str, float]:
    """Median processor milliseconds of each step."""
    code = ["import json, sys, time", "taken, last = {}, 0.0"]
    for name, step in STEPS.items():
        code += [step, f"taken[{name!r}] = time.process_time() - last; last = time.process_time()"]
    code += ["print(json.dumps(taken))"]
    command = [sys.executable, "-c", "\n".join(code), file]
    every = [json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for _ in range(runs)]
    return {name: 1000 * statistics.median(one[name] for one in every) for name in STEPS}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--where", action="store_true")
    args = parser.parse_args()
    classify = [sys.executable, "-m", "classify"]
    for name, command in (("--help", [*classify, "--help"]), ("predict", [*classify, "predict", args.file])):
        once(command)
        runs = [once(command) for _ in range(args.runs)]
        seconds = [run[0] for run in runs]
        print(
            f"{name:8} median {statistics.median(seconds):.2f} s (min {min(seconds):.2f}, max {max(seconds):.2f}), of the processor "
            f"{statistics.median(run[1] for run in runs):.2f} s, peak memory {max(run[2] for run in runs):.0f} MiB, {args.runs} runs"
        )
    if args.where:
        for name, taken in where(args.file, args.runs).items():
            print(f"{name:32} {taken:6.0f} ms")


if __name__ == "__main__":
    main()
