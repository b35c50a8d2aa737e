"""``classify export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Model directory with safetensors weights.")],
) -> None:
    """Write onnx/model.onnx into a model directory, so that predicting needs no torch."""
    from classify.cli._extras import need_training, quiet_libraries

    need_training("exporting")
    quiet_libraries()
    from training.export import export as run

    typer.echo(f"wrote {run(directory)}")
