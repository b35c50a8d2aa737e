"""The annotation guide, written from the label scheme so that the two can never differ.

python -m training.guide configs/labels.yaml > docs/annotation-guide.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from classify.errors import ClassifyError
from classify.labels import Label, LabelScheme

PROCEDURE = """\
Read the whole definition of every label before the first sentence. Label a hundred sentences that have agreed answers, compare,
and learn from the differences, before labelling for use. Then two readers label independently of each other; where they differ
a third decides, and the label is kept as disputed. Where a careful reader could differ, decide all the same and note the doubt.
`classify check-data --agreement` gives Krippendorff's alpha for every label.
"""


def guide(scheme: LabelScheme) -> str:
    """The guide as Markdown."""
    lines = [
        "# Annotation guide",
        "",
        "Generated from the label scheme by `python -m training.guide`; change the scheme, not this file.",
        "",
    ]
    lines += ["## How to label", "", PROCEDURE]
    lines += [*(f"{number}. {rule.get('en', '')}" for number, rule in enumerate(scheme.rules, 1)), ""]
    for group in scheme.groups:
        lines += [f"## {_named(group.names, group.id)}", ""]
        lines += ["Exactly one label a sentence." if group.exclusive else "Any number of labels a sentence.", ""]
        for label in group.labels:
            lines += _label(label)
    return "\n".join(lines).rstrip() + "\n"


def _named(names: Mapping[str, str], identity: str) -> str:
    english, indonesian = names.get("en", identity), names.get("id", "")
    return f"{english} ({indonesian})" if indonesian else english


def _label(label: Label) -> list[str]:
    lines = [f"### `{label.id}`: {_named(label.names, label.id)}", ""]
    for language in ("en", "id"):
        if label.definition.get(language):
            lines += [label.definition[language], ""]
    for title, entries in (("Includes", label.includes), ("Excludes", label.excludes)):
        if entries:
            lines += [f"{title}:", "", *(f"- {entry}" for entry in entries), ""]
    if label.border_cases:
        lines += [
            "| where it is close | decision |",
            "|---|---|",
            *(f"| {case} | {decision} |" for case, decision in label.border_cases),
            "",
        ]
    for title, examples in (("Yes", label.yes), ("No", label.no)):
        if examples:
            lines += [f"{title}:", "", *(f"- {example}" for example in examples), ""]
    return lines


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    try:
        print(guide(LabelScheme.load(parser.parse_args().labels)), end="")
    except ClassifyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
