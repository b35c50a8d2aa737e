"""Pre-training of a tiny BERT, from the text to the directory, also when it is killed on the way."""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from torch.utils.data import DataLoader
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from classify.classifier import Classifier
from classify.errors import DataError, SettingsError
from training.finetune import train
from training.pretrain import Assembler, PretrainSettings, Steps, _batches, prepare, pretrain
from training.settings import load
from training.tokenizer import save_tokenizer, train_tokenizer

WHO = ["kapal", "menteri", "presiden", "tentara", "satelit", "bank", "duta", "roket", "panel", "warga"]
WHAT = ["mengirim", "membantah", "menuduh", "membangun", "menyambut", "membahas", "meluncurkan", "melanggar"]
WHOM = ["senjata", "sanksi", "perjanjian", "peluru", "surat", "laporan", "amunisi", "minyak", "rudal", "beras"]
WHERE = ["di Moskow", "di Jakarta", "di Pyongyang", "di Seoul", "di Wina", "di laut", "di pelabuhan"]
ENGLISH = {
    "kapal": "ship", "menteri": "minister", "presiden": "president", "tentara": "soldier", "satelit": "satellite", "bank": "bank",
    "duta": "envoy", "roket": "rocket", "panel": "panel", "warga": "citizen", "mengirim": "sends", "membantah": "denies",
    "menuduh": "accuses", "membangun": "builds", "menyambut": "welcomes", "membahas": "discusses", "meluncurkan": "launches",
    "melanggar": "breaks", "senjata": "weapons", "sanksi": "sanctions", "perjanjian": "treaty", "peluru": "bullets",
    "surat": "letters", "laporan": "reports", "amunisi": "ammunition", "minyak": "oil", "rudal": "missiles", "beras": "rice",
    "di": "in", "Moskow": "Moscow", "Jakarta": "Jakarta", "Pyongyang": "Pyongyang", "Seoul": "Seoul", "Wina": "Vienna",
    "laut": "sea", "pelabuhan": "port",
}  # fmt: skip
HELD = "menteri yang sangat tua itu tidak pernah lagi kembali ke pelabuhan lama"
TINY = {
    "vocabulary_size": 300, "hidden_size": 32, "layers": 2, "heads": 4, "intermediate_size": 64, "max_positions": 128,
    "max_length": 24, "tokens_per_batch": 400, "learning_rate": 5e-3, "precision": "fp32", "log_every": 5, "checkpoint_every": 10,
    "seed": 3,
}  # fmt: skip
TWO_STAGES = [{"name": "first", "steps": 15}, {"name": "second", "steps": 25}]


def sentences(count, seed):
    source = random.Random(seed)
    return [" ".join(source.choice(part) for part in (WHO, WHAT, WHOM, WHERE)) for _ in range(count)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A corpus of plain text and of articles, and texts that are never to be read."""
    folder = tmp_path_factory.mktemp("corpus")
    made = sentences(900, seed=1)
    (folder / "text.txt").write_text("\n".join(made[:600]) + f"\n{HELD} kata koran.\n", encoding="utf-8")
    articles = [{"title": "Judul", "text": "\n".join(made[i : i + 10])} for i in range(600, 900, 10)]
    (folder / "news.jsonl").write_text("".join(json.dumps(one) + "\n" for one in articles), encoding="utf-8")
    (folder / "gold.txt").write_text(HELD + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def run_of_seconds(tmp_path, corpus):
    """`run_of_seconds(output=..., ...)`: settings of one."""

    def make(**changes):
        values = {**TINY, "corpus": [corpus / "text.txt", corpus / "news.jsonl"], "stages": TWO_STAGES, "output": tmp_path / "base"}
        return load(PretrainSettings, None, {**values, **changes})

    return make


def log_of(directory):
    return [json.loads(line) for line in (directory / "log.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def base(tmp_path_factory, corpus, run_cli):
    """A base pre-trained through the command line."""
    folder = tmp_path_factory.mktemp("pretrained")
    config = folder / "pretrain.yaml"
    config.write_text(yaml.safe_dump({**TINY, "stages": TWO_STAGES}), encoding="utf-8")
    flags = ["--corpus", corpus / "text.txt", "--corpus", corpus / "news.jsonl", "--held-out", corpus / "gold.txt"]
    result = run_cli("pretrain", "--config", config, *flags, "--output", folder / "base")
    assert result.returncode == 0, result.stderr
    assert f"wrote {folder / 'base'}" in result.stdout
    return folder / "base"


def test_directory_is_complete(base):
    names = {path.name for path in base.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "log.jsonl", "loss.png"} <= names
    assert "pretrain.json" in names
    assert not {name for name in names if name.startswith("checkpoint")}
    assert (base / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_loss_falls(base):
    rows = log_of(base)
    assert [row["step"] for row in rows] == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    assert [row["stage"] for row in rows] == ["start"] + ["first"] * 3 + ["second"] * 5
    assert rows[-1]["mlm"] < 0.8 * rows[1]["mlm"]
    assert rows[-1]["validation_mlm"] < 0.8 * rows[0]["validation_mlm"]
    # Validated at the start, at checkpoints and at the end of each stage.
    assert [row["step"] for row in rows if "validation_mlm" in row] == [0, 10, 15, 20, 30, 40]
    assert all(one["tokens"] < other["tokens"] for one, other in zip(rows, rows[1:], strict=False))


def test_facts_of_the_run(base):
    facts = json.loads((base / "pretrain.json").read_text(encoding="utf-8"))
    rows = log_of(base)
    assert facts["tokens"] == rows[-1]["tokens"]
    assert facts["figures"]["before"]["validation_mlm"] == rows[0]["validation_mlm"]
    assert facts["figures"]["after"]["validation_mlm"] == rows[-1]["validation_mlm"]
    assert facts["settings"]["hidden_size"] == 32
    assert facts["machine"]["device"] in ("cpu", "cuda")


def test_it_loads_and_fills_masks(base):
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(base).eval(), AutoTokenizer.from_pretrained(base)
    assert tokenizer.model_max_length == 128
    assert len(tokenizer) == model.config.vocab_size
    encoded = tokenizer("menteri membahas sanksi di [MASK]", return_tensors="pt")
    assert set(encoded) == {"input_ids", "token_type_ids", "attention_mask"}
    position = int((encoded["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0])
    with torch.inference_mode():
        scores = model(**encoded).logits[0, position].softmax(-1)
    places = tokenizer.convert_tokens_to_ids(["moskow", "jakarta", "pyongyang", "seoul", "wina", "laut", "pelabuhan"])
    assert tokenizer.unk_token_id not in places
    assert scores[places].sum() > 0.3


def test_held_out_paragraphs_are_dropped(run_of_seconds, corpus, tmp_path):
    dropped = prepare(run_of_seconds(held_out=[corpus / "gold.txt"]))
    kept = prepare(run_of_seconds(output=tmp_path / "other"))
    assert len(kept.train) + len(kept.validation) > len(dropped.train) + len(dropped.validation)
    words = dropped.tokenizer.decode(dropped.train.tokens.tolist())
    assert "koran" not in words
    assert "koran" in kept.tokenizer.decode(kept.train.tokens.tolist() + kept.validation.tokens.tolist()).replace(" ", "")


def test_validation_is_never_trained_on(run_of_seconds):
    prepared = prepare(run_of_seconds())
    train = {tuple(prepared.train[i].tolist()) for i in range(len(prepared.train))}
    validation = {tuple(prepared.validation[i].tolist()) for i in range(len(prepared.validation))}
    assert validation
    assert not train & validation


def test_killed_run_resumes_to_the_very_same_weights(corpus, run_of_seconds, tmp_path, cli_environment):
    stages = [{"name": "first", "steps": 20}, {"name": "second", "steps": 60}]
    whole = pretrain(run_of_seconds(stages=stages, output=tmp_path / "whole"))
    config = tmp_path / "pretrain.yaml"
    config.write_text(yaml.safe_dump({**TINY, "stages": stages}), encoding="utf-8")
    output = tmp_path / "killed"
    arguments = ["--config", config, "--corpus", corpus / "text.txt", "--corpus", corpus / "news.jsonl", "--output", output]
    process = subprocess.Popen(
        [sys.executable, "-m", "classify", "pretrain", *map(str, arguments)],
        cwd=tmp_path, env=cli_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not (output / "checkpoint/progress.json").exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (output / "model.safetensors").exists()
    said: list[str] = []
    pretrain(run_of_seconds(stages=stages, output=output), said.append)
    assert said[0].startswith("resuming after step ")
    one, other = load_file(whole / "model.safetensors"), load_file(output / "model.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    steps = [row["step"] for row in log_of(output)]
    assert steps == [row["step"] for row in log_of(whole)]
    assert not list(output.glob("checkpoint*"))


def test_swap_of_checkpoints_cut_off_between_its_renames(run_of_seconds, tmp_path):
    """The state a crash leaves: the new checkpoint whole under its working name, the old one moved aside."""
    settings = run_of_seconds(stages=[{"name": "only", "steps": 15}], output=tmp_path / "cut")
    whole = pretrain(run_of_seconds(stages=[{"name": "only", "steps": 15}], output=tmp_path / "whole"))

    class Crash(Exception):
        pass

    def say(line):
        if line.startswith("only 15/"):
            raise Crash

    with pytest.raises(Crash):
        pretrain(settings, say)
    folder = tmp_path / "cut"
    (folder / "checkpoint").rename(folder / "checkpoint.new")
    said: list[str] = []
    pretrain(settings, said.append)
    assert said[0] == "resuming after step 10"
    one, other = load_file(whole / "model.safetensors"), load_file(folder / "model.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not list(folder.glob("checkpoint*"))


def test_other_settings_do_not_go_on_with_what_was_prepared(run_of_seconds, corpus):
    prepare(run_of_seconds())
    prepare(run_of_seconds(stages=[{"name": "more", "steps": 99}], learning_rate=1e-4))
    with pytest.raises(SettingsError, match=r"holds a run begun with other settings \(corpus, hidden_size\)"):
        pretrain(run_of_seconds(corpus=[corpus / "text.txt"], hidden_size=64))


def test_gradient_accumulation_reads_more_a_step(run_of_seconds, tmp_path):
    stages = [{"name": "only", "steps": 5}]
    once = log_of(pretrain(run_of_seconds(stages=stages, output=tmp_path / "a")))
    twice = log_of(pretrain(run_of_seconds(stages=stages, gradient_accumulation=2, output=tmp_path / "b")))
    assert twice[-1]["tokens"] > 1.5 * once[-1]["tokens"]


@pytest.mark.parametrize("text", ["", "terlalu pendek\n" * 30, "hanya satu kalimat di sini\n" * 3])
def test_too_little_text_is_refused(run_of_seconds, tmp_path, text):
    (tmp_path / "little.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"too few paragraphs .* in .*little.txt"):
        pretrain(run_of_seconds(corpus=[tmp_path / "little.txt"]))


def test_a_little_text_is_enough(run_of_seconds, tmp_path):
    (tmp_path / "little.txt").write_text("\n".join(sentences(12, seed=2)) + "\n", encoding="utf-8")
    out = pretrain(run_of_seconds(corpus=[tmp_path / "little.txt"], stages=[{"name": "only", "steps": 5}]))
    rows = log_of(out)
    assert all(row["validation_mlm"] == row["validation_mlm"] for row in rows if "validation_mlm" in row)
    assert "validation_mlm" in rows[0]
    assert all(torch.isfinite(weight).all() for weight in load_file(out / "model.safetensors").values())


def test_mistakes_are_one_sentence(run_cli, tmp_path, assert_refused):
    config = tmp_path / "pretrain.yaml"
    config.write_text(yaml.safe_dump({**TINY, "stages": [{"name": "a", "step": 3}]}), encoding="utf-8")
    result = run_cli("pretrain", "--config", config, "--corpus", "x.txt", "--output", tmp_path / "out")
    assert_refused(result, "unknown setting 'step' in 'stages'", "name, steps, distil")
    assert not (tmp_path / "out").exists()


# --------------------------------------------------------------------------------------------------------------------
# With a teacher


@pytest.fixture(scope="module")
def bilingual(tmp_path_factory):
    """A random English teacher and sentence pairs."""
    folder = tmp_path_factory.mktemp("bilingual")
    indonesian = sentences(700, seed=5)
    english = [" ".join(ENGLISH[word] for word in sentence.split()) for sentence in indonesian]
    pairs = "".join(f"1.0\town\t{one}\t{other}\n" for one, other in zip(english, indonesian, strict=True))
    (folder / "pairs.tsv").write_text(pairs, encoding="utf-8")
    words = "".join(f"{english}\t{indonesian}\n" for indonesian, english in ENGLISH.items())
    (folder / "words.tsv").write_text(words, encoding="utf-8")
    tokenizer = train_tokenizer(english * 2, 250)
    teacher = folder / "teacher"
    torch.manual_seed(8)
    BertModel(
        BertConfig(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            max_position_embeddings=200, initializer_range=0.2,
        )
    ).save_pretrained(teacher)  # fmt: skip
    save_tokenizer(tokenizer, teacher, 200)
    return folder


needs_alignment = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("eflomal", "gensim", "scipy")),
    reason="eflomal or gensim is not installed",
)


@needs_alignment
def test_teacher_is_carried_over_and_distilled(run_of_seconds, bilingual, tmp_path):
    stages = [{"name": "carry over", "steps": 30, "distil": 0.7}, {"name": "read", "steps": 20, "distil": 0.1}]
    pairs = {"parallel": bilingual / "pairs.tsv", "dictionary": bilingual / "words.tsv", "teacher": bilingual / "teacher"}
    said: list[str] = []
    out = pretrain(run_of_seconds(stages=stages, max_length=20, **pairs), said.append)
    rows = log_of(out)
    for key in ("sentence", "cls", "pair_mlm"):
        values = [row[key] for row in rows if key in row]
        assert values[-1] < values[0], key
    # Aligned words start near their translations and stay there; 1 would be knowing nothing.
    assert max(row["token"] for row in rows if "token" in row) < 0.4
    assert rows[-1]["validation_mlm"] < rows[0]["validation_mlm"]
    # Carried-over embeddings alone let sentences find their translations among 500.
    assert rows[0]["retrieval"] > 0.5
    assert 0.02 < rows[-1]["retrieval"] <= 1
    facts = json.loads((out / "pretrain.json").read_text(encoding="utf-8"))
    assert facts["figures"]["after"]["retrieval"] == rows[-1]["retrieval"]
    AutoModelForMaskedLM.from_pretrained(out)

    # The body starts as the teacher's, and each word near its translation.
    start, teacher = load_file(out / "start/model.safetensors"), load_file(bilingual / "teacher/model.safetensors")
    assert torch.equal(start["bert.encoder.layer.1.output.dense.weight"], teacher["encoder.layer.1.output.dense.weight"])
    student_words, teacher_words = (
        AutoTokenizer.from_pretrained(out).get_vocab(),
        AutoTokenizer.from_pretrained(bilingual / "teacher").get_vocab(),
    )
    table, english = start["bert.embeddings.word_embeddings.weight"], teacher["embeddings.word_embeddings.weight"]
    right, asked = 0, 0
    for indonesian, translation in ENGLISH.items():
        i, j = student_words.get(indonesian.lower()), teacher_words.get(translation.lower())
        if i is not None and j is not None:
            asked += 1
            right += int(torch.nn.functional.cosine_similarity(table[i][None], english).argmax()) == j
    assert asked > 20
    assert right > 0.9 * asked


@needs_alignment
def test_distilling_needs_pairs_beyond_those_kept_aside(run_of_seconds, bilingual, tmp_path):
    few = (bilingual / "pairs.tsv").read_text(encoding="utf-8").splitlines(keepends=True)[:500]
    (tmp_path / "few.tsv").write_text("".join(few), encoding="utf-8")
    settings = run_of_seconds(
        stages=[{"name": "carry", "steps": 3, "distil": 1.0}],
        max_length=20,
        parallel=tmp_path / "few.tsv",
        teacher=bilingual / "teacher",
    )
    with pytest.raises(DataError, match=r"few.tsv has 500 usable sentence pairs: distilling needs more than 500"):
        pretrain(settings)


@needs_alignment
def test_teacher_of_another_width_is_refused(run_of_seconds, bilingual):
    settings = run_of_seconds(hidden_size=48, max_length=20, parallel=bilingual / "pairs.tsv", teacher=bilingual / "teacher")
    with pytest.raises(SettingsError, match=r"'hidden_size' is 48, the teacher's is 32"):
        pretrain(settings)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A teacher of four layers that reads the corpus itself, in unigram pieces with capital letters."""
    folder = tmp_path_factory.mktemp("reader")
    words = sorted({word for one in sentences(400, seed=5) for word in one.split()})
    pieces = [(special, 0.0) for special in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")] + [(f"▁{word}", -5.0) for word in words]
    pieces += [(letter, -12.0) for letter in sorted({"▁", ".", *"".join(words)})]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = Metaspace(replacement="▁", prepend_scheme="always")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>", pad_token="<pad>",
        unk_token="<unk>", mask_token="<mask>",
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(9)
    BertModel(
        BertConfig(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64,
            max_position_embeddings=200, type_vocab_size=1, initializer_range=0.2,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_batches_made_ahead_are_those_made_in_time(run_of_seconds):
    settings = run_of_seconds(stages=[{"name": "read", "steps": 6}], gradient_accumulation=2)
    steps = Steps(Assembler(settings, prepare(settings), None), settings, slice(0, None))
    here = list(_batches(steps, 3, torch.device("cpu")))
    ahead = list(DataLoader(steps, batch_size=None, sampler=range(3, len(steps)), num_workers=1))
    assert len(here) == len(ahead) == 9
    for one, other in zip(here, ahead, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_vocabulary_of_another_base_is_kept(run_of_seconds, tmp_path):
    first = pretrain(run_of_seconds(stages=[{"name": "read", "steps": 1}]))
    second = pretrain(run_of_seconds(stages=[{"name": "read", "steps": 1}], tokenizer=first, output=tmp_path / "second", seed=9))
    assert (second / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()


def test_teacher_that_reads_the_corpus_is_imitated(run_of_seconds, reader):
    stages = [{"name": "imitate", "steps": 80, "distil": 1.0}, {"name": "read", "steps": 10, "distil": 0.2}]
    out = pretrain(run_of_seconds(stages=stages, teacher=reader, learning_rate=2e-3))
    rows = log_of(out)
    for key in ("word", "inner", "cls"):
        values = [row[key] for row in rows if key in row]
        assert values[-1] < 0.8 * values[0], key
    for key in ("validation_word", "validation_inner", "validation_cls"):
        assert rows[-1][key] < rows[0][key], key
    figures = json.loads((out / "pretrain.json").read_text(encoding="utf-8"))["figures"]
    assert figures["after"]["validation_word"] == rows[-1]["validation_word"]
    AutoModelForMaskedLM.from_pretrained(out)

    # The student starts with every second layer, and lends the teacher's one kind of segment to both of its own.
    start, teacher = load_file(out / "start/model.safetensors"), load_file(reader / "model.safetensors")
    for ours, theirs in ((0, 1), (1, 3)):
        name = "encoder.layer.{}.output.dense.weight"
        assert torch.equal(start["bert." + name.format(ours)], teacher[name.format(theirs)])
    segments = start["bert.embeddings.token_type_embeddings.weight"]
    assert torch.equal(segments, teacher["embeddings.token_type_embeddings.weight"].repeat(2, 1))
    student_words, teacher_words = (AutoTokenizer.from_pretrained(one).get_vocab() for one in (out, reader))
    table, theirs = start["bert.embeddings.word_embeddings.weight"], teacher["embeddings.word_embeddings.weight"]
    both = [
        (student_words[word], teacher_words["▁" + word]) for word in WHAT + WHOM if word in student_words and "▁" + word in teacher_words
    ]
    assert len(both) > 10
    assert all(torch.nn.functional.cosine_similarity(table[i][None], theirs).argmax() == j for i, j in both)


def test_imitating_resumes_exactly(run_of_seconds, reader, tmp_path):
    stages = [{"name": "imitate", "steps": 20, "distil": 1.0}]
    whole = pretrain(run_of_seconds(stages=stages, teacher=reader, output=tmp_path / "whole"))
    settings = run_of_seconds(stages=stages, teacher=reader, output=tmp_path / "cut")

    def stop(line):
        if line.startswith("imitate 15/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(settings, stop)
    assert (tmp_path / "cut/checkpoint/progress.json").exists()
    cut = pretrain(settings)
    one, other = load_file(whole / "model.safetensors"), load_file(cut / "model.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_cannot_be_a_teacher_is_refused_before_the_work(run_of_seconds, reader, tmp_path):
    with pytest.raises(SettingsError, match="'layers' is 6, but the teacher has 4"):
        pretrain(run_of_seconds(layers=6, teacher=reader))
    with pytest.raises(SettingsError, match=r"the teacher .*nowhere cannot be loaded"):
        pretrain(run_of_seconds(teacher=tmp_path / "nowhere"))
    other = shutil.copytree(reader, tmp_path / "roberta")
    config = json.loads((other / "config.json").read_text(encoding="utf-8"))
    (other / "config.json").write_text(json.dumps({**config, "model_type": "roberta"}), encoding="utf-8")
    with pytest.raises(SettingsError, match="is not a BERT"):
        pretrain(run_of_seconds(teacher=other))
    assert not (tmp_path / "base/prepared").exists()


def test_missing_packages_are_named(run_of_seconds, bilingual):
    if importlib.util.find_spec("eflomal") is not None:
        pytest.skip("eflomal is installed")
    from classify.errors import MissingExtraError

    with pytest.raises(MissingExtraError, match=r"\[pretrain\]"):
        pretrain(run_of_seconds(max_length=20, parallel=bilingual / "pairs.tsv", teacher=bilingual / "teacher"))


def test_pooler_of_the_base_spreads_what_the_encoder_crowds(base, corpus):
    model, tokenizer = AutoModel.from_pretrained(base).eval(), AutoTokenizer.from_pretrained(base)
    encoded = tokenizer((corpus / "text.txt").read_text(encoding="utf-8").splitlines()[:400], padding=True, return_tensors="pt")
    with torch.inference_mode():
        out = model(**encoded)
    pooled, crowded = torch.atanh(out.pooler_output.double()), out.last_hidden_state[:, 0].double()
    # What all sentences share, beside what tells them apart.
    assert pooled.mean(0).norm() < 0.2 * pooled.std(0).norm()
    assert pooled.mean(0).norm() / pooled.std(0).norm() < 0.5 * crowded.mean(0).norm() / crowded.std(0).norm()
    assert 0.05 < pooled.std() < 0.6


def test_base_can_be_fine_tuned_and_its_record_travels_along(base, settings, labelled, tmp_path):
    out = train(settings(data=[labelled], base=str(base), output=tmp_path / "model", epochs=1), quiet=True)
    assert (out / "pretrain.json").read_bytes() == (base / "pretrain.json").read_bytes()
    assert len(Classifier.from_pretrained(out).predict(["Kapal membahas sanksi di Wina."])) == 1


def test_two_processes_learn_as_one_does(run_of_seconds, corpus, tmp_path):
    config = tmp_path / "two.yaml"
    values = {
        **TINY,
        "corpus": [str(corpus / "text.txt"), str(corpus / "news.jsonl")],
        "stages": TWO_STAGES,
        "output": str(tmp_path / "two"),
    }
    config.write_text(yaml.safe_dump({**values, "gradient_accumulation": 2}), encoding="utf-8")
    # What `accelerate launch` calls; by itself it starts several processes on a CPU only under MPI.
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "classify"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command += ["pretrain", "--config", str(config)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    one = pretrain(run_of_seconds(gradient_accumulation=2))
    ours, theirs = log_of(one), log_of(tmp_path / "two")
    assert [row["step"] for row in ours] == [row["step"] for row in theirs]
    # The same batches, shared out; the means of halves differ a little from the mean of the whole.
    assert abs(ours[-1]["validation_mlm"] - theirs[-1]["validation_mlm"]) < 0.15
    assert theirs[-1]["validation_mlm"] < theirs[0]["validation_mlm"] - 0.5
    facts = json.loads((tmp_path / "two" / "pretrain.json").read_text(encoding="utf-8"))
    assert facts["machine"]["processes"] == 2
