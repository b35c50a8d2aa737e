import json
import shutil

import pytest

from classify.errors import ClassifyError, ModelDirectoryError
from classify.modeldir import ModelDirectory
from classify.resources import resource

TEXTS = [
    "Pyongyang membantah telah mengirim peluru artileri.",
    "KREMLIN: “Tidak ada bukti!” – kata Péskov (13/9/2023)…",
    "한국 정부 🚀 xyzzy",
    "tulisan [MASK] dan [SEP] apa adanya",
    "",
    "a" * 300,
]


def edit(path, **values):
    data = json.loads(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        data.pop(key, None)
        if value is not ...:
            data[key] = value
    path.write_text(json.dumps(data), encoding="utf-8")


def refusal(act, *words):
    with pytest.raises(ClassifyError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message
    return message


def test_a_complete_directory(tiny_model, root):
    directory = ModelDirectory.open(tiny_model)
    assert ModelDirectory.open(str(tiny_model)) == directory
    assert directory.scheme.ids == list(directory.config["id2label"].values())
    assert [group.id for group in directory.scheme.groups] == ["topic", "stance"]
    assert directory.decisions.thresholds.keys() == set(directory.scheme.ids)
    assert directory.onnx == tiny_model / "onnx/model.onnx"
    assert directory.has_weights
    assert directory.max_length == 96


def test_the_quantized_graph_is_the_second_choice(model_copy):
    shutil.copy(model_copy / "onnx/model.onnx", model_copy / "onnx/model_quantized.onnx")
    assert ModelDirectory.open(model_copy).onnx == model_copy / "onnx/model.onnx"
    (model_copy / "onnx/model.onnx").unlink()
    assert ModelDirectory.open(model_copy).onnx == model_copy / "onnx/model_quantized.onnx"


def test_a_standard_directory_is_one_exclusive_group(standard_model):
    directory = ModelDirectory.open(standard_model)
    (group,) = directory.scheme.groups
    assert (group.id, group.exclusive, directory.scheme.ids) == ("label", True, ["negatif", "netral", "positif"])
    assert directory.onnx is None
    assert directory.decisions.threshold("netral") == 0.5


def test_without_labels_yaml_only_an_explicit_multi_label_problem_has_independent_labels(model_copy):
    (model_copy / "labels.yaml").unlink()
    (group,) = ModelDirectory.open(model_copy).scheme.groups
    assert not group.exclusive
    edit(model_copy / "config.json", problem_type=None)
    (group,) = ModelDirectory.open(model_copy).scheme.groups
    assert group.exclusive


def test_labels_are_ordered_by_number_and_not_by_spelling(model_copy):
    for name in ("labels.yaml", "decisions.json"):
        (model_copy / name).unlink()
    edit(model_copy / "config.json", id2label={str(i): f"L{i}" for i in reversed(range(12))})
    assert ModelDirectory.open(model_copy).scheme.ids == [f"L{i}" for i in range(12)]


def test_what_is_no_directory(tmp_path, tiny_model):
    refusal(lambda: ModelDirectory.open(tmp_path / "tidak-ada"), tmp_path / "tidak-ada", "does not exist")
    refusal(lambda: ModelDirectory.open(tiny_model / "config.json"), "is a file")
    refusal(lambda: ModelDirectory.open(tmp_path), "has no config.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xff", b"3"])
def test_a_damaged_config(content, model_copy):
    (model_copy / "config.json").write_bytes(content)
    refusal(lambda: ModelDirectory.open(model_copy), model_copy / "config.json")


@pytest.mark.parametrize(
    "labels", [..., None, {}, [], ["a", "b"], {"nol": "a", "satu": "b"}, {"0": "a", "1": "a"}, {"0": "a", "2": "b"}], ids=str
)
def test_impossible_id2label(labels, model_copy):
    for name in ("labels.yaml", "decisions.json"):
        (model_copy / name).unlink()
    edit(model_copy / "config.json", id2label=labels)
    refusal(lambda: ModelDirectory.open(model_copy), "config.json", "id2label")


@pytest.mark.parametrize("key", ["vocab_size", "max_position_embeddings", "pad_token_id", "type_vocab_size"])
@pytest.mark.parametrize("value", ["banyak", [1], -5])
def test_impossible_numbers_in_the_config(key, value, model_copy):
    edit(model_copy / "config.json", **{key: value})
    refusal(lambda: ModelDirectory.open(model_copy), "config.json", key)


def test_numbers_the_config_leaves_out_have_defaults(model_copy):
    edit(model_copy / "config.json", vocab_size=..., max_position_embeddings=None, pad_token_id=None, type_vocab_size=...)
    directory = ModelDirectory.open(model_copy)
    assert directory.max_length == 512
    assert directory.tokenizer().encode("Kim tiba").tokens[0] == "[CLS]"


def test_roberta_positions_start_after_the_padding_index(model_copy):
    edit(model_copy / "config.json", model_type="xlm-roberta", max_position_embeddings=514, pad_token_id=1)
    assert ModelDirectory.open(model_copy).max_length == 512


def test_labels_that_are_not_the_outputs(model_copy):
    path = model_copy / "labels.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("id: sanctions", "id: penalties"), encoding="utf-8")
    refusal(lambda: ModelDirectory.open(model_copy), model_copy, "labels.yaml", "penalties", "sanctions")
    path.write_text("groups: [", encoding="utf-8")
    refusal(lambda: ModelDirectory.open(model_copy), path, "YAML")


def test_thresholds_of_another_model(model_copy):
    (model_copy / "decisions.json").write_text(json.dumps({"labels": {"cuaca": {"threshold": 0.5}}}))
    refusal(lambda: ModelDirectory.open(model_copy), model_copy / "decisions.json", "cuaca")


def test_a_directory_without_tokenizer(model_copy):
    (model_copy / "tokenizer.json").unlink()
    refusal(lambda: ModelDirectory.open(model_copy).tokenizer(), model_copy, "tokenizer.json", "vocab.txt")


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"model": {"type": "WordPiece"}}', b"\0\xff"])
def test_a_damaged_tokenizer(content, model_copy):
    (model_copy / "tokenizer.json").write_bytes(content)
    refusal(lambda: ModelDirectory.open(model_copy).tokenizer(), model_copy, "tokenizer")


def test_the_tokenizer_of_a_larger_model(model_copy):
    edit(model_copy / "config.json", vocab_size=100)
    refusal(lambda: ModelDirectory.open(model_copy).tokenizer(), "pieces", "100", "belong together")


def as_vocabulary(directory, **settings):
    pieces = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    (directory / "vocab.txt").write_text("".join(f"{piece}\n" for piece in sorted(pieces, key=pieces.get)), encoding="utf-8")
    (directory / "tokenizer.json").unlink()
    if settings:
        (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    else:
        (directory / "tokenizer_config.json").unlink()


@pytest.mark.parametrize("settings", [{}, {"do_lower_case": True}], ids=["no settings", "uncased"])
def test_a_bare_vocabulary_reads_text_as_the_full_tokenizer_does(settings, model_copy, indonesian):
    full = ModelDirectory.open(model_copy).tokenizer()
    as_vocabulary(model_copy, **settings)
    bare = ModelDirectory.open(model_copy).tokenizer()
    for text in [*TEXTS, *indonesian]:
        assert bare.encode(text).ids == full.encode(text).ids
        pair = bare.encode(text, "Kremlin diam.")
        assert (pair.ids, pair.type_ids) == ((other := full.encode(text, "Kremlin diam.")).ids, other.type_ids)


def test_a_bare_vocabulary_is_read_as_transformers_reads_it(model_copy, indonesian):
    from transformers import BertTokenizer

    as_vocabulary(model_copy, do_lower_case=True)
    bare, reference = ModelDirectory.open(model_copy).tokenizer(), BertTokenizer.from_pretrained(model_copy)
    for text in [*TEXTS[:-1], *indonesian]:
        assert bare.encode(text).ids == reference(text)["input_ids"]


def test_a_cased_vocabulary_stays_cased(model_copy):
    as_vocabulary(model_copy, do_lower_case=False)
    tokenizer = ModelDirectory.open(model_copy).tokenizer()
    assert "[UNK]" in tokenizer.encode("KREMLIN").tokens
    assert "[UNK]" not in tokenizer.encode("kremlin").tokens


def test_a_vocabulary_without_markers(model_copy):
    as_vocabulary(model_copy)
    path = model_copy / "vocab.txt"
    path.write_text(path.read_text(encoding="utf-8").replace("[SEP]\n", "", 1), encoding="utf-8")
    refusal(lambda: ModelDirectory.open(model_copy).tokenizer(), "vocab.txt", "[SEP]")


def test_damaged_tokenizer_settings(model_copy):
    as_vocabulary(model_copy, do_lower_case=True)
    (model_copy / "tokenizer_config.json").write_text("{")
    refusal(lambda: ModelDirectory.open(model_copy).tokenizer(), model_copy, "tokenizer")


def test_long_text_is_cut_to_what_the_model_reads(tiny_model):
    tokenizer = ModelDirectory.open(tiny_model).tokenizer()
    assert len(tokenizer.encode("rudal " * 500)) == 96
    assert tokenizer.encode("rudal " * 500).tokens[-1] == "[SEP]"


def test_packaged_data_is_found_and_a_missing_resource_is_a_path_that_does_not_exist(root):
    assert resource("configs/labels.yaml").is_file()
    assert not resource("configs/tidak-ada.yaml").exists()


def test_errors_are_of_one_family(tmp_path):
    with pytest.raises(ModelDirectoryError):
        ModelDirectory.open(tmp_path)
    assert issubclass(ModelDirectoryError, ClassifyError)
