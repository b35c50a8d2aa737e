"""Bases as other people publish them: old weight formats, missing tokenizer settings, labels of another task."""

import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AlbertConfig,
    AlbertModel,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    pipeline,
)  # fmt: skip

from classify.classifier import Classifier
from classify.errors import SettingsError
from classify.labels import LabelScheme
from training.base import load_model, load_tokenizer, resolve, unknown_share
from training.finetune import train
from training.reproduce import reproduce

REAL = os.environ.get("INDOBERT_TOKENIZERS")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
STALE = {
    "id2label": {str(i): f"LABEL_{i}" for i in range(5)},
    "label2id": {f"LABEL_{i}": i for i in range(5)},
    "_num_labels": 5,
    "output_past": True,
}
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


@pytest.fixture(scope="module")
def vocabulary(tiny_tokenizer) -> list[str]:
    pieces = tiny_tokenizer.get_vocab()
    return sorted(pieces, key=pieces.__getitem__)


def write_config(folder: Path, config: dict) -> None:
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def bert_like(folder: Path, pieces: list[str], published: dict = {}) -> Path:  # noqa: B006
    """As IndoBERT-base: more embeddings than pieces, an empty tokenizer_config.json, a pickle, five labels of no meaning."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text("{}")
    torch.manual_seed(3)
    config = BertConfig(vocab_size=published.get("vocab_size", len(pieces) + 77), **SHAPE, initializer_range=0.3)
    torch.save(BertForPreTraining(config).state_dict(), folder / "pytorch_model.bin")
    kept = {key: value for key, value in config.to_dict().items() if key in SHAPE or key in ("vocab_size", "type_vocab_size")}
    write_config(folder, {**published, **kept, **STALE, "model_type": "bert", "architectures": ["BertForPreTraining"]})
    return folder


def albert_like(folder: Path, pieces: list[str], published: dict = {}) -> Path:  # noqa: B006
    """As IndoBERT-lite: an ALBERT with a WordPiece vocabulary, no SentencePiece model and no tokenizer settings at all."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    torch.manual_seed(4)
    size = published.get("vocab_size", len(pieces))
    config = AlbertConfig(vocab_size=size, embedding_size=16, **SHAPE, initializer_range=0.3)
    torch.save(AlbertModel(config).state_dict(), folder / "pytorch_model.bin")
    kept = {key: value for key, value in config.to_dict().items() if key in SHAPE or key in ("vocab_size", "embedding_size")}
    write_config(folder, {**published, **kept, **STALE, "model_type": "albert", "type_vocab_size": 2, "architectures": ["AlbertModel"]})
    return folder


def distilbert_like(folder: Path, pieces: list[str]) -> Path:
    """A network that knows no segments, with nothing but a vocabulary beside it, in a pickle of two parts."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    torch.manual_seed(5)
    config = DistilBertConfig(
        vocab_size=len(pieces), dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=64, initializer_range=0.3
    )
    state = DistilBertModel(config).state_dict()
    names = sorted(state)
    parts = {"pytorch_model-00001-of-00002.bin": names[:9], "pytorch_model-00002-of-00002.bin": names[9:]}
    for part, inside in parts.items():
        torch.save({name: state[name] for name in inside}, folder / part)
    index = {"metadata": {}, "weight_map": {name: part for part, inside in parts.items() for name in inside}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    write_config(folder, {**config.to_dict(), "architectures": ["DistilBertModel"]})
    return folder


def xlm_roberta_like(folder: Path, sentences: list[str]) -> Path:
    """Sentence pieces, positions that begin after the padding, no segments, half precision, safetensors in parts."""
    folder.mkdir()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>", pad_token="<pad>",
        unk_token="<unk>", mask_token="<mask>", model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(6)
    config = XLMRobertaConfig(
        **{**SHAPE, "max_position_embeddings": 66}, vocab_size=tokenizer.get_vocab_size(), type_vocab_size=1, initializer_range=0.3
    )
    XLMRobertaForMaskedLM(config).half().save_pretrained(folder, max_shard_size="40KB")
    assert (folder / "model.safetensors.index.json").is_file()
    return folder


def weights(base: Path) -> dict[str, torch.Tensor]:
    """All tensors of a base, whatever they are stored in."""
    state: dict[str, torch.Tensor] = {}
    for path in sorted(base.glob("*.safetensors")):
        state |= load_file(path)
    for path in sorted(base.glob("*.bin")):
        state |= torch.load(path, weights_only=True)
    return state


MAKERS = {"bert": bert_like, "albert": albert_like, "distilbert": distilbert_like}
CASES = [("bert", ""), ("albert", ""), ("distilbert", ""), ("xlm-roberta", ""), *([("bert", "base"), ("albert", "lite")] if REAL else [])]


@pytest.fixture(scope="module", params=CASES, ids=[" ".join(filter(None, case)) for case in CASES])
def base(request, tmp_path_factory, vocabulary, indonesian) -> Path:
    kind, real = request.param
    folder = tmp_path_factory.mktemp("bases") / f"indo-{kind}"
    if kind == "xlm-roberta":
        return xlm_roberta_like(folder, indonesian)
    if not real:
        return MAKERS[kind](folder, vocabulary)
    source = Path(REAL) / real
    pieces = (source / "vocab.txt").read_text(encoding="utf-8").splitlines()
    MAKERS[kind](folder, pieces, json.loads((source / "config.json").read_text(encoding="utf-8")))
    for extra in source.glob("*.json"):
        if extra.name != "config.json":
            shutil.copyfile(extra, folder / extra.name)
    return folder


@pytest.fixture(scope="module")
def fine_tuned(base, settings, labelled, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("fine_tuned") / base.name
    return train(settings(data=[labelled], base=str(base), output=output, epochs=2), quiet=True)


def test_tokenizer_reads_the_vocabulary_that_is_there(base, indonesian):
    tokenizer = load_tokenizer(base)
    assert unknown_share(tokenizer) < 0.2
    encoded = tokenizer(indonesian[0])["input_ids"]
    if not (base / "vocab.txt").exists():
        assert tokenizer.decode(encoded) == f"<s> {indonesian[0]}</s>"
        return
    pieces = (base / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert [pieces[encoded[0]], pieces[encoded[-1]]] == ["[CLS]", "[SEP]"]
    words = "".join(pieces[i].removeprefix("##") for i in encoded[1:-1])
    assert words == indonesian[0].replace(" ", "").lower()


def test_weights_are_the_bases_and_the_head_is_new(base, root):
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    model = load_model(base, scheme, dropout=0.0, seed=1)
    saved = weights(base)
    name = next(key for key in saved if key.endswith("word_embeddings.weight"))
    assert torch.equal(model.get_input_embeddings().weight, saved[name].float())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.config.id2label == dict(enumerate(scheme.ids))
    assert model(torch.tensor([[2, 3]])).logits.shape == (1, len(scheme))
    assert "LABEL_0" not in model.config.to_json_string()


def test_trained_directory_is_complete_and_predicts(fine_tuned, run_cli, rows, tmp_path):
    text = tmp_path / "article.txt"
    text.write_text(rows[3]["text"] + "\n", encoding="utf-8")
    result = run_cli("predict", text, "--model", fine_tuned, "--lines", "--format", "jsonl")
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    (expected,) = Classifier.from_pretrained(fine_tuned).predict([rows[3]["text"]])
    assert (shown["text"], shown["labels"]) == (rows[3]["text"], expected.labels)
    assert (fine_tuned / "onnx/model.onnx").is_file()
    assert (fine_tuned / "model.safetensors").is_file()
    assert not list(fine_tuned.rglob("*.bin"))


def test_graph_weights_and_pipeline_agree(fine_tuned, rows):
    texts = [row["text"] for row in rows[:12]]
    expected = Classifier.from_pretrained(fine_tuned).predict(texts)
    shown = pipeline("text-classification", model=str(fine_tuned), top_k=None)(texts)
    for scores, prediction in zip(shown, expected, strict=True):
        assert {one["label"]: one["score"] for one in scores} == pytest.approx(prediction.scores, abs=1e-4)
    assert len({tuple(prediction.scores.values()) for prediction in expected}) > 6


def test_saved_tokenizer_is_the_bases(fine_tuned, base, rows):
    for text in (rows[0]["text"], "Çirebon 1.200-an (“bukan” Rp5,5)", ""):
        assert AutoTokenizer.from_pretrained(fine_tuned)(text)["input_ids"] == load_tokenizer(base)(text)["input_ids"]


def test_it_reads_no_further_than_it_has_positions(fine_tuned, rows):
    (prediction,) = Classifier.from_pretrained(fine_tuned).predict([" ".join(row["text"] for row in rows)])
    assert np.isfinite(list(prediction.scores.values())).all()
    assert AutoTokenizer.from_pretrained(fine_tuned).model_max_length == 64


def test_record_names_the_weights(fine_tuned, base):
    record = json.loads((fine_tuned / "training.json").read_text(encoding="utf-8"))["base"]
    files = sorted([*base.glob("*.safetensors")] or base.glob("*.bin"))
    assert record == {"name": base.name, "sha256": hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()}


def test_a_run_from_a_pickle_is_repeated(tmp_path, vocabulary, settings, labelled, monkeypatch):
    base = bert_like(tmp_path / "base", vocabulary)
    assert not list(base.glob("*.safetensors"))
    monkeypatch.chdir(tmp_path)
    out = train(settings(data=[labelled], base="base", output=tmp_path / "model", epochs=1), quiet=True)
    assert reproduce(out, tmp_path / "again", data=[labelled]).same_weights


@pytest.fixture
def scheme(root) -> LabelScheme:
    return LabelScheme.load(root / "configs/labels.yaml")


def old_bert(folder: Path, pieces: list[str]) -> Path:
    """As checkpoints of the first years: no pooler, and the norms' parameters under their TensorFlow names."""
    base = bert_like(folder, pieces)
    config = BertConfig.from_pretrained(base)
    state = BertForMaskedLM(config).state_dict()
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v for name, v in state.items()}
    old["bert.embeddings.LayerNorm.gamma"] = torch.linspace(0.5, 1.5, 32)
    torch.save(old, base / "pytorch_model.bin")
    return base


def test_missing_pooler_is_noted_and_drawn_by_the_seed(tmp_path, vocabulary, scheme, caplog):
    base = old_bert(tmp_path / "old", vocabulary)
    with caplog.at_level("WARNING"):
        models = [load_model(base, scheme, dropout=0.1, seed=seed) for seed in (1, 1, 2)]
    assert [record.message for record in caplog.records if record.name == "training.base"] == [
        f"the base {base} has no weights for its pooler, which starts at random like the head (seed {seed})" for seed in (1, 2)
    ]
    poolers = [model.bert.pooler.dense.weight for model in models]
    assert torch.equal(poolers[0], poolers[1])
    assert not torch.equal(poolers[0], poolers[2])
    assert torch.equal(models[0].bert.embeddings.LayerNorm.weight, torch.linspace(0.5, 1.5, 32))


@pytest.mark.parametrize("same", [True, False])
def test_head_is_kept_only_where_the_labels_are_the_same(same, tmp_path, vocabulary, scheme):
    base = bert_like(tmp_path / "base", vocabulary)
    names = scheme.ids if same else [f"mood {i}" for i in range(len(scheme))]
    config = BertConfig.from_pretrained(base, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)})
    trained = BertForSequenceClassification(config)
    (base / "pytorch_model.bin").unlink()
    trained.save_pretrained(base)
    model = load_model(base, scheme, dropout=0.1, seed=1)
    assert torch.equal(model.classifier.weight, trained.classifier.weight) is same
    assert torch.equal(model.bert.pooler.dense.weight, trained.bert.pooler.dense.weight)


@pytest.mark.parametrize("settings_of", ["{}", '{"do_lower_case": false}'])
def test_cased_pieces_are_not_lower_cased(settings_of, tmp_path, vocabulary):
    cased = [*SPECIAL, *(f"{piece.capitalize()}" for piece in vocabulary[5:] if piece[0].isalpha()), *vocabulary[5:]]
    base = bert_like(tmp_path / "cased", list(dict.fromkeys(cased)))
    (base / "tokenizer_config.json").write_text(settings_of)
    tokenizer = load_tokenizer(base)
    assert tokenizer.tokenize("Rusia") != tokenizer.tokenize("rusia")


def test_tokenizer_that_another_program_saved_empty_is_refused(tmp_path, vocabulary):
    base = albert_like(tmp_path / "lite", vocabulary)
    AutoTokenizer.from_pretrained(base).save_pretrained(base)
    with pytest.raises(SettingsError, match="lite does not know 100% of"):
        load_tokenizer(base)


# --------------------------------------------------------------------------------------------------------------------
# The hub


COMMIT = "0123456789abcdef" * 2 + "01234567"
MODEL = "someone/indo-bert"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's interface as fetching a model needs; `folder` is its one repository."""

    protocol_version = "HTTP/1.1"
    folder: Path
    asked: list[str]

    def answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        files = sorted(file for file in self.folder.iterdir())
        if path in (f"/api/models/{MODEL}/revision/{name}" for name in ("main", "v1", COMMIT)):
            listed = [{"rfilename": file.name} for file in files]
            self.answer(200, json.dumps({"id": MODEL, "modelId": MODEL, "sha": COMMIT, "siblings": listed}).encode())
        elif path == f"/api/models/{MODEL}/tree/{COMMIT}":
            listed = [{"type": "file", "path": file.name, "size": file.stat().st_size, "oid": blob(file)} for file in files]
            self.answer(200, json.dumps(listed).encode(), Content_Type="application/json")
        elif path.startswith(f"/{MODEL}/resolve/{COMMIT}/") and (file := self.folder / path.rpartition("/")[2]).is_file():
            self.answer(200, file.read_bytes(), ETag=f'"{blob(file)}"', X_Repo_Commit=COMMIT)
        else:
            missing = "RevisionNotFound" if path.startswith(f"/api/models/{MODEL}/") else "RepoNotFound"
            self.answer(404, b"{}", X_Error_Code=missing)

    do_HEAD = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


def blob(file: Path) -> str:
    """A file's name in git."""
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def hub(tmp_path, vocabulary, monkeypatch):
    """A hub on this machine, with an empty cache: its handler class, which notes what was asked."""
    repository = bert_like(tmp_path / "repository", vocabulary)
    (repository / "tf_model.h5").write_bytes(b"another program's")
    handler = type("Here", (Hub,), {"folder": repository, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.address = f"http://127.0.0.1:{server.server_port}"
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", handler.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", handler.address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield handler
    server.shutdown()
    server.server_close()


def test_hub_id_is_fetched_once_recorded_and_works_offline(hub, tmp_path, settings, labelled, monkeypatch):
    from huggingface_hub import constants

    results = []
    for name in ("online", "offline"):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", name == "offline")
        before = len(hub.asked)
        out = train(settings(data=[labelled], base=f"{MODEL}@v1", output=tmp_path / name, epochs=1, export=False), quiet=True)
        assert (len(hub.asked) > before) is (name == "online")
        record = json.loads((out / "training.json").read_text(encoding="utf-8"))
        assert record["settings"]["base"] == f"{MODEL}@v1"
        digest = hashlib.sha256((hub.folder / "pytorch_model.bin").read_bytes()).hexdigest()
        assert record["base"] == {"name": MODEL, "revision": "v1", "commit": COMMIT, "sha256": digest}
        results.append((out / "model.safetensors").read_bytes())
    assert results[0] == results[1]
    assert any(path.endswith("pytorch_model.bin") for path in hub.asked)
    assert not any(path.endswith("h5") for path in hub.asked)


def test_safetensors_of_the_hub_are_fetched_instead_of_the_pickle(hub, scheme):
    BertForPreTraining.from_pretrained(hub.folder).save_pretrained(hub.folder)
    base = resolve(MODEL)
    load_model(base.path, scheme, dropout=0.1, seed=1)
    assert (base.commit, base.revision) == (COMMIT, None)
    assert not any(path.endswith(".bin") for path in hub.asked)
    # Known by its commit, it needs no look at the hub.
    count = len(hub.asked)
    assert resolve(f"{MODEL}@{COMMIT}").path == base.path
    assert len(hub.asked) == count


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{MODEL}@v9", f"the hub's {MODEL} has no revision 'v9': give a branch, a tag or a commit"),
        ("someone/else", "the base someone/else is neither a directory nor a model of the hub"),
        ("some one/else", "the base 'some one/else' is neither a directory nor a hub id"),
    ],
)
def test_what_the_hub_does_not_have_is_one_sentence(hub, name, message):
    with pytest.raises(SettingsError) as caught:
        resolve(name)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_without_a_network_the_command_for_elsewhere_is_told_and_works(
    hub, tmp_path, run_cli, labelled, recipe, assert_refused, cli_environment
):
    flags = ["--config", recipe, "--data", labelled, "--output", tmp_path / "m", "--quiet", "--base", f"{MODEL}@v1"]
    cut_off = cli_environment(HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path / "home"), HF_HUB_OFFLINE="0")
    told = assert_refused(run_cli("train", *flags, env=cut_off), f"the base {MODEL}@v1 is neither a directory nor can it be fetched")
    command = re.search(r"run  (hf download .*)  and give --base (indo-bert)$", told)
    script = [sys.executable, "-c", "import sys; sys.argv[0] = 'hf'; from huggingface_hub.cli.hf import main; main()"]
    connected = {**cut_off, "HF_ENDPOINT": hub.address}
    done = subprocess.run([*script, *command[1].split()[1:]], env=connected, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    base = resolve(tmp_path / command[2])
    assert (base.name, base.commit) == ("indo-bert", COMMIT)
    assert unknown_share(load_tokenizer(base.path)) < 0.2
    assert not (tmp_path / "m").exists()


# --------------------------------------------------------------------------------------------------------------------
# Bases that cannot be used


@pytest.mark.parametrize("make", [bert_like, albert_like])
def test_vocabulary_of_another_language_is_refused_with_the_reason(make, tmp_path, settings, labelled):
    base = make(tmp_path / "latin", [*SPECIAL, "lorem", "ipsum", "dolor", "."])
    with pytest.raises(SettingsError, match="latin does not know 100% of .* common Indonesian words: its vocabulary file is"):
        train(settings(data=[labelled], base=str(base), output=tmp_path / "m"), quiet=True)
    assert not (tmp_path / "m").exists()


def test_lost_vocabulary_is_refused(tmp_path, vocabulary):
    for make in (bert_like, albert_like):
        base = make(tmp_path / make.__name__, vocabulary)
        (base / "vocab.txt").unlink()
        with pytest.raises(SettingsError) as caught:
            load_tokenizer(base)
        assert str(base) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_offline_is_offline(tmp_path, run_cli, labelled, recipe, assert_refused, cli_environment):
    flags = ["--config", recipe, "--data", labelled, "--output", tmp_path / "m", "--quiet"]
    offline = cli_environment(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home"))
    result = run_cli("train", "--base", "nobody/no-such-model", *flags, env=offline)
    assert_refused(result, "nobody/no-such-model", "HF_HUB_OFFLINE is set and the cache lacks it", "--base no-such-model")


def test_code_in_a_pickle_is_refused_on_the_command_line(tmp_path, vocabulary, run_cli, labelled, recipe, assert_refused):
    base = bert_like(tmp_path / "base", vocabulary)
    pickle_with_code(base)
    result = run_cli("train", "--base", base, "--config", recipe, "--data", labelled, "--output", tmp_path / "m", "--quiet")
    assert_refused(result, "pytorch_model.bin asks to run posix.system, which is never done")
    assert not (base / "executed").exists()
    assert not (tmp_path / "m").exists()


def test_pieces_beyond_the_network_are_refused(tmp_path, vocabulary):
    base = bert_like(tmp_path / "base", vocabulary)
    write_config(base, {**json.loads((base / "config.json").read_text()), "vocab_size": 100})
    with pytest.raises(SettingsError, match=rf"has {len(vocabulary)} pieces but its network only 100: they do not belong"):
        load_tokenizer(base)


@pytest.mark.parametrize("name", ["./missing", "/no/where", "a/b/c"])
def test_path_that_leads_nowhere_is_not_looked_up_on_the_hub(name, tmp_path, settings, labelled):
    with pytest.raises(SettingsError, match=r"is not a directory: give a model directory or a hub id such as owner/name"):
        train(settings(data=[labelled], base=name, output=tmp_path / "m"), quiet=True)


def test_directory_without_config_is_refused(tmp_path, settings, labelled):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"empty has no config.json: give the directory that save_pretrained wrote"):
        train(settings(data=[labelled], base=str(tmp_path / "empty"), output=tmp_path / "m"), quiet=True)


def damaged_pickle(base: Path) -> None:
    (base / "pytorch_model.bin").write_bytes(b"not a pickle at all")


def pickle_with_code(base: Path) -> None:
    class Code:
        def __reduce__(self):
            return (os.system, (f"touch {base / 'executed'}",))

    torch.save({"bert.embeddings.word_embeddings.weight": Code()}, base / "pytorch_model.bin")


def cut_off_safetensors(base: Path) -> None:
    (base / "pytorch_model.bin").unlink()
    (base / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")


def no_weights(base: Path) -> None:
    (base / "pytorch_model.bin").unlink()


def damaged_config(base: Path) -> None:
    (base / "config.json").write_text("{", encoding="utf-8")


def unknown_architecture(base: Path) -> None:
    write_config(base, {"model_type": "no-such-network"})


def without_classification(base: Path) -> None:
    write_config(base, {"model_type": "vit"})


def code_of_its_own(base: Path) -> None:
    write_config(base, {"model_type": "own-network", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}})
    (base / "own.py").write_text(f"from pathlib import Path\nPath({str(base / 'executed')!r}).touch()\n", encoding="utf-8")


def weights_of_another_shape(base: Path) -> None:
    write_config(base, {**json.loads((base / "config.json").read_text()), "intermediate_size": 48})


def fewer_layers_than_the_configuration(base: Path) -> None:
    write_config(base, {**json.loads((base / "config.json").read_text()), "num_hidden_layers": 3})


DAMAGES = [
    code_of_its_own, weights_of_another_shape, fewer_layers_than_the_configuration, damaged_pickle, pickle_with_code, cut_off_safetensors, no_weights, damaged_config, unknown_architecture, without_classification,
]  # fmt: skip


def test_no_base_and_a_damaged_one_are_refused_on_the_command_line(tmp_path, vocabulary, run_cli, labelled, assert_refused):
    base = bert_like(tmp_path / "base", vocabulary)
    for broken in ("{", "[]"):
        (base / "config.json").write_text(broken, encoding="utf-8")
        assert_refused(run_cli("train", "--data", labelled, "--base", base, "--output", tmp_path / "model"), "config.json")
    assert_refused(run_cli("train", "--data", labelled, "--base", "", "--output", tmp_path / "model"), "setting 'base' is empty")
    assert_refused(run_cli("train", "--data", labelled, "--base", base, "--output", labelled / "model"), "cannot be made")


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_base_is_one_sentence(damage, tmp_path, vocabulary, root):
    base = bert_like(tmp_path / "base", vocabulary)
    damage(base)
    with pytest.raises(SettingsError) as caught:
        load_model(base, LabelScheme.load(root / "configs/labels.yaml"), dropout=0.1, seed=1)
    assert str(caught.value).startswith(f"the base {base} cannot be loaded: ")
    assert "\n" not in str(caught.value)
    assert not (base / "executed").exists()
