"""How long does one article take, from the shell to the last row? Whole processes, as a user starts them.

python benchmarks/startup.py FILE [--runs 10]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time


def once(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident mebibytes of one run."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()
    classify = [sys.executable, "-m", "classify"]
    for name, command in (("--help", [*classify, "--help"]), ("predict", [*classify, "predict", args.file])):
        once(command)
        runs = [once(command) for _ in range(args.runs)]
        seconds = [run[0] for run in runs]
        print(
            f"{name:8} median {statistics.median(seconds):.2f} s (min {min(seconds):.2f}, max {max(seconds):.2f}), "
            f"peak memory {max(run[1] for run in runs):.0f} MiB, {args.runs} runs"
        )


if __name__ == "__main__":
    main()
