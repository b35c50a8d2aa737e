"""How well are sentences split? Boundary precision, recall and F1, errors by cause, and speed.

    python benchmarks/segmentation.py GOLD [GOLD ...] [--show 20]

``GOLD`` is JSON Lines with ``text`` (one paragraph) and ``sentences`` (its sentences in order), or a text file of one sentence a
line with an empty line between paragraphs, such as ``benchmarks/data/sentences.txt``. The rows are ``sentencex`` alone and this
project; yasbd-lib, pysbd, nupunkt and blingfire stand beside them where they are installed. A boundary is the place between two
sentences of a paragraph, its beginning and end not counted; the last column counts the paragraphs' ends too, as other people's
figures do. Speed is in processor time.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from classify.sentences import split_line

# What stands around a wrong boundary, the first that fits: (name, pattern of the text before, pattern of the text after).
CAUSES = [
    ("no space", r"\S$", r"\S"),
    ("next in lower case", r"", r"\s*[\"'“‘(]*[a-z]"),
    ("quotation or bracket", r"[\"'”’)\]]\s*$", r""),
    ("opening quotation", r"", r"\s*[\"“‘`]"),
    ("numbered item", r"(?:^|\s)[(]?\d{1,2}[.)]\s*$", r""),
    ("number or unit", r"\d[\w%]*\.\s*$|\d\s\w{1,3}\.\s*$", r""),
    ("capitals", r"\b[A-Z][A-Z.]+\.\s*$", r""),
    ("short word", r"\b\w{1,4}\.\s*$", r""),
    ("colon or semicolon", r"[:;]\s*$", r""),
    ("question or exclamation", r"[?!]\s*$", r""),
    ("ellipsis", r"(?:\.\.|…)\s*$", r""),
    ("full stop", r"\.\s*$", r""),
    ("no mark", r"", r""),
]


def read(path: Path) -> list[dict[str, Any]]:
    """Paragraphs of a file with their sentences."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    return [{"text": " ".join(sentences), "sentences": sentences} for sentences in blocks]


def between(text: str, spans: Iterable[tuple[int, int]]) -> set[int]:
    """Boundaries as numbers of visible characters before them, so that trimmed white space does not count."""
    ends = {len("".join(text[:end].split())) for _, end in spans}
    return ends - {0, len("".join(text.split()))}


def gold_spans(text: str, sentences: list[str]) -> list[tuple[int, int]]:
    """Where the sentences stand in their paragraph."""
    spans, end = [], 0
    for sentence in sentences:
        begin = text.index(sentence, end)
        end = begin + len(sentence)
        spans.append((begin, end))
    return spans


def cause(text: str, boundary: int) -> str:
    """The first of ``CAUSES`` that fits around a boundary."""
    cut = _position(text, boundary)
    before, after = text[:cut], text[cut:]
    return next(name for name, left, right in CAUSES if re.search(left, before[-80:]) and re.match(right, after[:80]))


def _position(text: str, boundary: int) -> int:
    seen = 0
    for position, character in enumerate(text):
        if seen == boundary:
            return position
        seen += not character.isspace()
    return len(text)


def splitters() -> dict[str, Callable[[str], list[tuple[int, int]]]]:
    """Every splitter that is installed, as a function from a paragraph to spans."""
    from sentencex import get_sentence_boundaries

    found: dict[str, Callable[[str], list[tuple[int, int]]]] = {
        "sentencex": lambda text: [(b["start_index"], b["end_index"]) for b in get_sentence_boundaries("id", text)],
        "this project": split_line,
    }
    if importlib.util.find_spec("yasbd"):
        from yasbd import BoundaryDetector

        detector = BoundaryDetector("id")
        found["yasbd-lib"] = lambda text: [(0, end) for end in detector.detect(text)]
    if importlib.util.find_spec("pysbd"):
        from pysbd import Segmenter

        segmenter = Segmenter(language="en", clean=False, char_span=True)  # it has no Indonesian
        found["pysbd"] = lambda text: [(span.start, span.end) for span in segmenter.segment(text)]
    if importlib.util.find_spec("nupunkt"):
        from nupunkt import sent_spans

        found["nupunkt"] = lambda text: [(begin, end) for begin, end in sent_spans(text)]
    if importlib.util.find_spec("blingfire"):
        from blingfire import text_to_sentences_and_offsets

        found["blingfire"] = lambda text: list(text_to_sentences_and_offsets(text)[1])
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gold", nargs="+", type=Path)
    parser.add_argument("--show", type=int, default=0, help="print so many of this project's errors in context")
    args = parser.parse_args()
    paragraphs = [paragraph for path in args.gold for paragraph in read(path)]
    gold = [between(p["text"], gold_spans(p["text"], p["sentences"])) for p in paragraphs]
    characters = sum(len(p["text"].encode()) for p in paragraphs)
    print(f"{len(paragraphs)} paragraphs, {sum(map(len, gold))} boundaries, {characters / 1e6:.2f} MB\n")
    print("| splitter | precision | recall | F1 | missed | extra | MB/s | F1 with ends |\n|---|--:|--:|--:|--:|--:|--:|--:|")
    causes: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for name, splitter in splitters().items():
        splitter(paragraphs[0]["text"])  # loads what it has to
        begin = time.process_time()
        spans = [splitter(p["text"]) for p in paragraphs]
        seconds = time.process_time() - begin
        given = [between(p["text"], s) for p, s in zip(paragraphs, spans, strict=True)]
        hits = sum(len(g & w) for g, w in zip(given, gold, strict=True))
        found, wanted = sum(map(len, given)), sum(map(len, gold))
        precision, recall = hits / max(found, 1), hits / max(wanted, 1)
        f1 = 2 * hits / max(found + wanted, 1)
        ends = 2 * (hits + len(gold)) / (found + wanted + 2 * len(gold))
        speed = characters / 1e6 / max(seconds, 1e-9)
        print(f"| {name} | {precision:.3f} | {recall:.3f} | {f1:.3f} | {wanted - hits} | {found - hits} | {speed:.2f} | {ends:.3f} |")
        missed, extra = Counter[str](), Counter[str]()
        for paragraph, g, w in zip(paragraphs, given, gold, strict=True):
            text = paragraph["text"]
            missed.update(cause(text, boundary) for boundary in w - g)
            extra.update(cause(text, boundary) for boundary in g - w)
            if name == "this project":
                for boundary in sorted(g ^ w)[: max(args.show, 0)]:
                    cut = _position(text, boundary)
                    args.show -= 1
                    print(f"    {'extra' if boundary in g else 'missed'}: {text[max(0, cut - 60) : cut]} | {text[cut : cut + 40]}")
        causes[name] = missed, extra
    print("\nMissed / extra by what stands around the boundary:\n\n| | " + " | ".join(causes) + " |\n|---|" + "--:|" * len(causes))
    for label, *_ in CAUSES:
        cells = [f"{missed[label]} / {extra[label]}" for missed, extra in causes.values()]
        if any(cell != "0 / 0" for cell in cells):
            print(f"| {label} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
