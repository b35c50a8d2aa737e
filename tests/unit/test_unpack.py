"""The 4-bit file of another package, as a directory that `transformers` reads."""

import struct

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from classify.errors import DataError
from training.unpack import unpack

HIDDEN, LAYERS, HEADS, INNER, POSITIONS, SEGMENTS = 32, 2, 4, 64, 16, 2
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁Korea", "▁senjata", "k", "a", "n", ".", "<mask>"]


def quantised(values):
    """Blocks of 32 weights, and the weights they stand for."""
    blocks = values.reshape(-1, 32)
    scale = (np.abs(blocks).max(axis=1) / 7).astype(np.float16)
    steps = np.clip(np.round(blocks / scale[:, None].astype(np.float32)) + 8, 0, 15).astype(np.uint8)
    packed = steps[:, :16] | (steps[:, 16:] << 4)
    data = b"".join(s.tobytes() + row.tobytes() for s, row in zip(scale, packed, strict=True))
    return data, ((steps.astype(np.float32) - 8) * scale[:, None].astype(np.float32)).reshape(values.shape)


@pytest.fixture
def packed(tmp_path):
    """A small file of the format, and the tensors it holds by the file's own names."""
    random = np.random.default_rng(3)
    shapes = {"emb.word": (len(PIECES), HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (SEGMENTS, HIDDEN),
              "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,)}  # fmt: skip
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "ao", "fi", "fo"):
            size = (INNER if name == "fi" else HIDDEN, INNER if name == "fo" else HIDDEN)
            shapes |= {f"l{layer}.{name}.w": size, f"l{layer}.{name}.b": size[:1]}
        for name in ("aln", "oln"):
            shapes |= {f"l{layer}.{name}.w": (HIDDEN,), f"l{layer}.{name}.b": (HIDDEN,)}
    stored, expected, blocks = {}, {}, set()
    for name, shape in shapes.items():
        values = random.normal(size=shape).astype(np.float32)
        if name == "emb.word" or (name.endswith(".w") and name.split(".")[1] in ("q", "k", "v", "ao", "fi", "fo")):
            stored[name], expected[name] = quantised(values)
            blocks.add(name)
        else:
            stored[name], expected[name] = values.tobytes(), values
    letters = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, letters)]).astype("<u4")
    scores = np.asarray([0, 0, 0, 0, *(-2.0 - i for i in range(len(PIECES) - 5)), 0], dtype="<f4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, HEADS, INNER, len(PIECES), POSITIONS, SEGMENTS, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, letters))) + offsets.tobytes() + scores.tobytes() + b"".join(letters)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xA0, 1, 0x20)
    head += struct.pack("<i", len(stored))
    at = len(head) + sum(2 + len(name) + 5 + 16 for name in stored)
    directory, body = b"", b""
    for name, data in stored.items():
        directory += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BI2Q", int(name in blocks), 0, at + len(body), len(data))
        body += data
    file = tmp_path / "model.bin"
    file.write_bytes(head + directory + body)
    return file, expected


def test_weights_and_tokenizer_come_out(packed, tmp_path):
    file, expected = packed
    out = unpack(file, tmp_path / "teacher")
    model = AutoModel.from_pretrained(out)
    assert (model.config.num_hidden_layers, model.config.num_attention_heads, model.config.pad_token_id) == (LAYERS, HEADS, 1)
    weights = model.state_dict()
    for name, inside in (
        ("embeddings.word_embeddings.weight", "emb.word"), ("embeddings.position_embeddings.weight", "emb.pos"),
        ("encoder.layer.1.attention.output.dense.weight", "l1.ao.w"), ("encoder.layer.0.intermediate.dense.weight", "l0.fi.w"),
        ("encoder.layer.1.output.dense.weight", "l1.fo.w"), ("encoder.layer.0.output.LayerNorm.bias", "l0.oln.b"),
    ):  # fmt: skip
        assert torch.equal(weights[name], torch.from_numpy(expected[inside])), name
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.tokenize("Korea  senjata kan.") == ["▁Korea", "▁senjata", "▁", "k", "a", "n", "."]
    assert tokenizer("Korea").input_ids == [0, 5, 2]


def test_another_file_and_a_cut_one_are_refused(packed, tmp_path):
    file, _ = packed
    (tmp_path / "other.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(DataError, match=r"other.bin is not a 4-bit file"):
        unpack(tmp_path / "other.bin", tmp_path / "out")
    (tmp_path / "cut.bin").write_bytes(file.read_bytes()[:-4000])
    with pytest.raises(DataError, match=r"cut.bin is damaged"):
        unpack(tmp_path / "cut.bin", tmp_path / "out")
    assert not (tmp_path / "out").exists()
