"""``classify export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Model directory with safetensors weights.")],
    quantize: Annotated[
        bool, typer.Option("--quantize", help="Also write onnx/model_int8.onnx, if held-out sentences are decided alike by it.")
    ] = False,
    data: Annotated[
        Optional[list[Path]], typer.Option(help="Labelled file or folder to test --quantize on; may be given again. By default data.")
    ] = None,
    pool: Annotated[Optional[list[Path]], typer.Option(help="Articles that labels without text were drawn from.")] = None,
) -> None:
    """Write onnx/model.onnx into a model directory, so that predicting needs no torch.

    With --quantize also a graph in 8-bit integers, two to three times as fast. It is kept only if, on sentences that the model
    was not trained on, at most 0.5 % get other labels and macro-F1 moves by at most 0.005; otherwise the exit code is 1.
    """
    from classify.cli._extras import need_training, quiet_libraries
    from classify.errors import SettingsError
    from classify.modeldir import INT8_FILE, ModelDirectory

    if not quantize and (data or pool):
        raise SettingsError("--data and --pool are what --quantize is tested on: give them together with it")
    need_training("exporting")
    quiet_libraries()
    from training import quantize as quantization
    from training.export import export as run

    if quantize:
        # Before the export replaces what is there.
        quantization.held_out(ModelDirectory.open(directory), data or [Path("data")], pool or [])
    integers = (directory / INT8_FILE).exists()
    typer.echo(f"wrote {run(directory)}")
    if not quantize:
        if integers:
            typer.echo(f"{INT8_FILE} belonged to the earlier graph and is gone: --quantize makes it anew", err=True)
        return

    verdict = quantization.quantize(directory, data or [Path("data")], pool or [])
    typer.echo(quantization.report(verdict))
    if verdict.chosen is None:
        typer.echo(f"error: no way to compute in integers stays within the limits; {directory} goes on in 32 bits", err=True)
        raise typer.Exit(1)
    typer.echo(f"wrote {directory / 'onnx' / 'model_int8.onnx'}: {verdict.chosen}")
