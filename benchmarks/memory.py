"""Does memory stay the same however large the input? Whole `classify predict` processes on made-up input of given sizes.

    python benchmarks/memory.py [--megabytes 10 1000] [--kinds lines articles jsonl] [--workers 1] [--seconds S] [--model DIR]

The text is that of `seeds/` and `data/sentences.jsonl`, repeated with other numbers and names in it, so that most sentences are
new and some are not. `--seconds` stops each run after a while: memory is then that of as much as was read. Peak memory is that of
the largest process, as the system counts it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("Andreyev", "Baskara", "Choe", "Dewanti", "Ebenezer", "Fadilah", "Gunadi", "Hwang", "Ivanova", "Jatmiko")


def sentences(seed: int = 1) -> Iterator[str]:
    """Endless sentences; about one in ten is a copy of an earlier one."""
    source = random.Random(seed)
    own = [json.loads(line)["text"] for line in (ROOT / "data/sentences.jsonl").read_text(encoding="utf-8").splitlines()]
    own += [
        line.strip()
        for file in sorted((ROOT / "seeds").glob("*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    for number in itertools.count():
        text = source.choice(own)
        yield text if source.random() < 0.1 else f"{source.choice(NAMES)} ({number}): {text}"


def write(path: Path, kind: str, size: int) -> int:
    """Fill a file with about ``size`` bytes; returns how many sentences went in."""
    source, count, written = sentences(), 0, 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            some = list(itertools.islice(source, 15))
            if kind == "lines":
                text = "".join(f"{one}\n" for one in some)
            elif kind == "articles":
                text = "\n".join(some) + "\n\n"
            else:
                text = json.dumps({"id": f"a{count}", "text": "\n".join(some)}, ensure_ascii=False) + "\n"
            file.write(text)
            count += len(some)
            written += len(text.encode())
    return count


def run(path: Path, kind: str, workers: int, limit: float | None, model: str | None) -> tuple[int, float, float]:
    """Rows, seconds, and peak mebibytes of the process; interrupted after ``limit`` seconds."""
    command = [sys.executable, "-m", "classify", "predict", str(path), "--format", "jsonl", "--workers", str(workers)]
    command += ["--lines"] if kind == "lines" else []
    command += ["--model", model] if model else []
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    timer = threading.Timer(limit or 1e7, process.send_signal, [signal.SIGINT])
    timer.daemon = True
    timer.start()
    assert process.stdout is not None
    rows = sum(1 for _ in process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    if os.waitstatus_to_exitcode(status) not in (0, 130 if limit else 0):
        raise SystemExit(f"{' '.join(command)} failed")
    return rows, time.perf_counter() - begin, usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[10])
    parser.add_argument("--kinds", nargs="+", default=["lines"], choices=["lines", "articles", "jsonl"])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--model")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind, size in itertools.product(args.kinds, args.megabytes):
            path = Path(folder) / ("input.jsonl" if kind == "jsonl" else "input.txt")
            count = write(path, kind, int(size * 1e6))
            rows, seconds, peak = run(path, kind, args.workers, args.seconds, args.model)
            print(
                f"{kind:8} {size:6g} MB: {rows} rows of {count} sentences in {seconds:.0f} s, {rows / seconds:.0f} a second, "
                f"peak memory {peak:.0f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
