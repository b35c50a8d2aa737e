"""``classify labels new`` and ``classify labels check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from classify.cli._table import Blank, LabelColumns, Separator, Sheet, TextColumn, table_flags

if TYPE_CHECKING:
    from classify.labels import LabelScheme
    from training.columns import Proposal

app = typer.Typer(
    help="Make and check a label scheme of your own.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode=None,
)  # fmt: skip

_HEAD = """\
# A label scheme: groups of labels, each group one question about a sentence. `classify labels check` tells what is wrong with it.
#
# Of a group a sentence may have several labels, one, or none. With `exclusive: true` it has exactly one.
# Ids stand in data, scores and output; put one in quotation marks when it is a number, holds a colon, or is a word like yes or no.
# `name` is what people see, and what may stand in the data instead of the id; `definition` tells annotators what the label means.
"""
_STARTER = """\
groups:
  - id: topic
    name: {id: Topik, en: Topic}
    labels:            # several, one, or none a sentence
      - economy
      - politics
      - id: sport
        name: {id: olahraga, en: sport}
        definition: {en: "Competitions, athletes and clubs."}
  - id: tone
    exclusive: true    # exactly one a sentence
    labels: [negative, neutral, positive]
"""


@app.command("new")
def new(
    path: Annotated[Path, typer.Argument(metavar="LABELS.yaml", help="File to write.")],
    source: Annotated[
        Optional[Path], typer.Option("--from", help="Labelled file (CSV, XLSX, JSON ...): its groups and labels are filled in.")
    ] = None,
    text_column: TextColumn = None,
    label_columns: LabelColumns = None,
    separator: Separator = None,
    sheet: Sheet = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a commented label scheme to start from."""
    from classify.errors import LabelsError
    from classify.labels import LabelScheme
    from classify.writers import replacing

    if path.exists() and not force:
        raise LabelsError(f"{path} is there already: choose another name, or overwrite it with --force")
    content = _HEAD + _STARTER
    if source is not None:
        from classify.cli._extras import need_training

        need_training("reading labels from data")
        from training.columns import Layout, propose
        from training.tables import read_table

        flags = table_flags(text_column, label_columns, None, None, separator, sheet, None)
        layout = Layout(**flags)
        table = read_table(source, layout.sheet)
        text, proposals = propose(table, layout)
        content = f"{_HEAD}# Found in {source.name} (text: '{text}', {table.form}); counts are of its {len(table.rows)} rows.\n"
        content += _groups(proposals)
        typer.echo(f"{source.name}: text = '{text}', {', '.join(f'{one.group} from {one.source}' for one in proposals)}, {table.form}")
    with replacing(path) as stream:
        stream.write(content)
    # What was found may still not be a scheme (one label in all, say): better told now.
    LabelScheme.load(path)
    typer.echo(f"wrote {path}: read it through, then  classify labels check {path}" + (f" --data {source}" if source else ""))


def _groups(proposals: list[Proposal]) -> str:
    """The YAML of the groups found; a label that stands in two groups, or is called like one, is known by both names."""
    seen: set[str] = {proposal.group for proposal in proposals}
    lines = ["groups:"]
    for proposal in proposals:
        lines.append(f"  - id: {_quoted(proposal.group)}    # {_comment(proposal.source)}")
        why = "no row has two" if proposal.exclusive else "set true where a sentence has exactly one"
        lines += [f"    exclusive: {str(proposal.exclusive).lower()}    # {why}", "    labels:"]
        for label, count in proposal.counts.items():
            if label in seen:
                lines += [f"      - id: {_quoted(f'{proposal.group}/{label}')}    # {count}", f"        name: {_quoted(label)}"]
            else:
                lines.append(f"      - {_quoted(label)}    # {count}")
            seen.add(label)
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    """``text`` as a YAML scalar on one line."""
    import re

    import yaml

    # Plain where it is surely a text; `yes`, `no`, `null` and numbers are not.
    if re.fullmatch(r"[A-Za-z]\w*", text, re.ASCII) and yaml.safe_load(text) == text:
        return text
    return yaml.safe_dump(text, allow_unicode=True, default_style='"', width=10**6).strip()


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(metavar="LABELS.yaml", help="Label scheme.")],
    data: Annotated[Optional[list[Path]], typer.Option(help="Labelled file or folder to count the labels in; may be given again.")] = None,
    text_column: TextColumn = None,
    label_columns: LabelColumns = None,
    separator: Separator = None,
    sheet: Sheet = None,
    blank: Blank = None,
) -> None:
    """Check a label scheme, and show its groups and labels, with data also how often each is given."""
    from classify.labels import LabelScheme

    scheme = LabelScheme.load(path)
    counts: dict[str, int] = {}
    broken = False
    if data:
        flags = table_flags(text_column, label_columns, None, None, separator, sheet, blank)
        counts, broken = _count(scheme, data, flags)
    width = max(len(label) for label in scheme.ids) + 2
    for group in scheme.groups:
        typer.echo(f"{group.id}: {'exactly one' if group.exclusive else 'any number'} of {len(group.labels)}")
        for label in group.labels:
            shown = f"  {label.id:<{width}}{counts.get(label.id, 0):>8}" if data else f"  {label.id}"
            typer.echo(shown + ("   never given" if data and not counts.get(label.id) else ""))
    typer.echo(f"{path}: {len(scheme.groups)} group{'s' * (len(scheme.groups) > 1)}, {len(scheme)} labels, in order")
    if broken:
        raise typer.Exit(1)


def _count(scheme: LabelScheme, data: list[Path], flags: dict[str, Any]) -> tuple[dict[str, int], bool]:
    """How often each label is given, and whether any file could not be trained on."""
    from classify.cli._extras import need_training

    need_training("reading data")
    from training.columns import Layout
    from training.dataset import data_files, read_file, shown

    counts: dict[str, int] = {}
    broken = False
    for file in data_files(data):
        read = read_file(file, scheme, None, Layout(**flags))
        if read.columns:
            typer.echo(read.columns)
        for example in read.examples:
            for label in (one for labels in example.labels.values() for one in labels):
                counts[label] = counts.get(label, 0) + 1
        left = {"without any label": read.unlabelled, "without text": read.without_text, "cannot be used": read.lost}
        typer.echo(", ".join([f"{len(read.examples)} sentences", *(f"{count} {what}" for what, count in left.items() if count)]))
        for text in shown(read.rejected):
            typer.echo(f"  {text}")
        if read.unknown_labels:
            listed = ", ".join(f"'{label}' ({count})" for label, count in read.unknown_labels.most_common(20))
            typer.echo(f"labels of {file.name} that the scheme lacks: {listed}")
        broken |= read.broken
    return counts, broken
