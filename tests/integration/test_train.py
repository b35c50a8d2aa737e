import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file

from classify.classifier import Classifier
from classify.errors import DataError, SettingsError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from training.dataset import digest, load, parse
from training.distil import SoftLabels, key
from training.finetune import train
from training.fitting import prepare

GROUPS = ("topic", "stance")
FILES = {
    "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "labels.yaml", "decisions.json", "training.json", "onnx",
    "README.md", "reliability.png", "error_rates.json",
}  # fmt: skip


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def content(directory):
    return {path.relative_to(directory): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def agreement(directory, rows):
    predictions = Classifier.from_pretrained(directory).predict([row["text"] for row in rows])
    right = [prediction.labels[group] == row[group] for prediction, row in zip(predictions, rows, strict=True) for group in GROUPS]
    return np.mean(right)


# --------------------------------------------------------------------------------------------------------------------
# The whole way through the command line


def test_command_line_writes_a_complete_directory(trained, root):
    assert trained.result.returncode == 0, trained.result.stderr
    assert trained.result.stdout == f"wrote {trained.path}; now  classify evaluate --model {trained.path} --data ...\n"
    assert {path.name for path in trained.path.iterdir()} == FILES
    assert (trained.path / "onnx/model.onnx").is_file()
    assert (trained.path / "labels.yaml").read_bytes() == (root / "configs/labels.yaml").read_bytes()
    # Nothing else is left behind.
    assert [path.name for path in trained.path.parent.iterdir()] == ["model"]


def test_missing_articles_and_pooler_are_spoken_of_and_nothing_else(trained, tiny_base):
    assert trained.result.stderr.splitlines() == [
        "1 labels of real sentences were left out: their articles are not in the pool",
        f"the base {tiny_base} has no weights for its pooler, which starts at random like the head (seed 5)",
    ]


def test_record_says_how_to_repeat_the_run(trained, labelled, real, tiny_base):
    record = read_json(trained.path / "training.json")
    assert set(record["data"]) == {"own.jsonl", "real_labels.jsonl"}
    assert all(len(digest) == 64 for digest in record["data"].values())
    assert record["base"]["name"] == tiny_base.name
    assert record["sentences"] == {**record["sentences"], "test": 16, "development": 12}
    assert sum(record["sentences"].values()) == 80 + 24
    assert record["held_out"]["test"] == {"own.jsonl": [f"r{i}" for i in range(64, 80)]}
    assert record["held_out"]["development"] == {"real_labels.jsonl": [row["sha256"][:16] for row in real.rows[:12]]}
    assert {"torch", "transformers", "numpy"} <= set(record["versions"])
    assert (record["settings"]["seed"], record["settings"]["learning_rate"]) == (5, 5e-3)
    assert str(labelled.parent.parent) not in json.dumps({key: value for key, value in record.items() if key != "settings"})
    assert len(record["history"]) == 25


def test_it_learns(trained, rows, real):
    record = read_json(trained.path / "training.json")
    scores = [row["eval_macro_f1"] for row in record["history"]]
    assert max(scores) == pytest.approx(record["figures"]["validation_macro_f1"], abs=1e-4)
    assert record["figures"]["best_epoch"] == record["history"][int(np.argmax(scores))]["epoch"]
    assert max(scores) > scores[0]
    # On sentences kept aside it beats never giving a label.
    nothing = np.mean([not row[group] for row in rows[64:] for group in GROUPS])
    assert agreement(trained.path, rows[64:]) > nothing + 0.1


def test_decisions_rest_on_validation(trained):
    decisions = read_json(trained.path / "decisions.json")
    directory = ModelDirectory.open(trained.path)
    assert list(decisions["labels"]) == directory.scheme.ids
    assert decisions["context"] is False
    for entry in decisions["labels"].values():
        assert 0 < entry["threshold"] < 1
        assert entry["support"] >= 0


def test_it_predicts_through_the_command_line(trained, run_cli, tmp_path, rows):
    text = tmp_path / "article.txt"
    text.write_text("\n".join(row["text"] for row in rows[:6]) + "\n", encoding="utf-8")
    result = run_cli("predict", text, "--model", trained.path, "--lines", "--format", "jsonl", "--all-scores")
    assert result.returncode == 0, result.stderr
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["text"] for row in found] == [row["text"] for row in rows[:6]]
    expected = Classifier.from_pretrained(trained.path).predict([row["text"] for row in rows[:6]])
    for row, prediction in zip(found, expected, strict=True):
        shown = row["scores"]
        assert shown == pytest.approx(prediction.scores, abs=1e-3)


def test_it_loads_with_transformers(trained, rows):
    from transformers import pipeline

    texts = [row["text"] for row in rows[:5]]
    pipe = pipeline("text-classification", model=str(trained.path), top_k=None)
    expected = Classifier.from_pretrained(trained.path).predict(texts)
    for scores, prediction in zip(pipe(texts), expected, strict=True):
        assert {one["label"]: one["score"] for one in scores} == pytest.approx(prediction.scores, abs=1e-4)


# --------------------------------------------------------------------------------------------------------------------
# Other recipes


def test_folds_give_thresholds_epochs_and_a_model_on_everything(tmp_path, settings, labelled, rows):
    out = train(settings(data=[labelled], output=tmp_path / "folded", folds=2, epochs=4, compact=True), quiet=True)
    record = read_json(out / "training.json")
    assert len(record["figures"]["fold_macro_f1"]) == len(record["figures"]["fold_best_epoch"]) == 2
    assert 1 <= record["figures"]["epochs"] <= 4
    decisions = read_json(out / "decisions.json")["labels"]
    # Out-of-fold predictions cover all that is not kept for testing.
    for group in GROUPS:
        for label in {label for row in rows for label in row[group]}:
            assert decisions[label]["support"] == sum(label in row[group] for row in rows[:64])
    assert {path.name for path in out.iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["folded"]


def test_compact_weights_take_half_the_room(trained, tmp_path, settings, labelled):
    out = train(settings(data=[labelled], output=tmp_path / "m", epochs=1, compact=True, export=False), quiet=True)
    assert (out / "model.safetensors").stat().st_size < 0.65 * (trained.path / "model.safetensors").stat().st_size


def test_compact_weights_and_graph_are_the_same_numbers(tmp_path, settings, labelled, rows):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    out = train(settings(data=[labelled], output=tmp_path / "m", epochs=1, compact=True), quiet=True)
    model = AutoModelForSequenceClassification.from_pretrained(out).eval()
    encoded = AutoTokenizer.from_pretrained(out)([row["text"] for row in rows], padding=True, return_tensors="pt")
    with torch.inference_mode():
        scores = torch.sigmoid(model(**encoded).logits).numpy()
    predictions = Classifier.from_pretrained(out).predict([row["text"] for row in rows])
    found = np.asarray([[prediction.scores[label] for label in ModelDirectory.open(out).scheme.ids] for prediction in predictions])
    np.testing.assert_allclose(found, scores, atol=1e-4)


SCHEME = {
    "groups": [
        {"id": "rubrik", "exclusive": True, "labels": ["ekonomi", "cuaca ☔", "olah raga"]},
        {"id": "nada", "labels": [{"id": "résah", "name": {"id": "résah"}}, "тревога", "喜び"]},
    ]
}


def own_scheme(folder, write_rows):
    """Three sections, of which a sentence has one, and moods, of which it may have several; names beyond ASCII."""
    labels = folder / "skema.yaml"
    labels.write_text(yaml.safe_dump(SCHEME, allow_unicode=True), encoding="utf-8")
    words = {
        "ekonomi": ["harga beras", "bank negara", "minyak"],
        "cuaca ☔": ["hujan lebat", "angin", "laut"],
        "olah raga": ["bola", "gol", "tim"],
    }
    moods = {"résah": "resah sekali", "тревога": "takut perang", "喜び": "senang bersama"}
    source = np.random.default_rng(3)
    rows = []
    for i in range(72):
        section, mood = list(words)[i % 3], [*moods, ""][i % 4]
        text = f"{source.choice(words[section])} {' '.join(source.permutation(['kota', 'desa', 'pantai', 'jalan', 'sungai'])[:3])} {i}"
        text += f" {moods[mood]}" if mood else ""
        rows.append(
            {
                "id": i,
                "text": text,
                "rubrik": [section],
                "nada": [mood] * bool(mood),
                "split": "validation" if i % 6 == 0 else "train",
            }
        )
    return labels, write_rows(folder / "skema.jsonl", rows), rows


def test_own_labels_with_an_exclusive_group_and_names_beyond_ascii(tmp_path, settings, write_rows, run_cli):
    labels, data, rows = own_scheme(tmp_path, write_rows)
    out = train(settings(data=[data], labels=labels, output=tmp_path / "model", epochs=20), quiet=True)
    assert (out / "labels.yaml").read_bytes() == labels.read_bytes()
    config = read_json(out / "config.json")
    assert list(config["id2label"].values()) == ["ekonomi", "cuaca ☔", "olah raga", "résah", "тревога", "喜び"]
    # Exclusive groups have no threshold.
    assert list(read_json(out / "decisions.json")["labels"]) == ["résah", "тревога", "喜び"]
    predictions = Classifier.from_pretrained(out).predict([row["text"] for row in rows])
    for prediction in predictions:
        assert len(prediction.labels["rubrik"]) == 1
        assert sum(prediction.scores[label] for label in ("ekonomi", "cuaca ☔", "olah raga")) == pytest.approx(1, abs=1e-4)
    right = np.mean([prediction.labels["rubrik"] == row["rubrik"] for prediction, row in zip(predictions, rows, strict=True)])
    assert right > 0.6  # a third would be chance
    result = run_cli("predict", "-", "--model", out, "--lines", "--format", "jsonl", stdin=b"hujan lebat jalan kota")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["labels"]["rubrik"] in (["ekonomi"], ["cuaca ☔"], ["olah raga"])


def test_one_exclusive_group_is_a_single_label_problem(tmp_path, settings, write_rows):
    labels = tmp_path / "labels.yaml"
    labels.write_text(yaml.safe_dump({"groups": [SCHEME["groups"][0]]}, allow_unicode=True), encoding="utf-8")
    _, data, _ = own_scheme(tmp_path, write_rows)
    out = train(settings(data=[data], labels=labels, output=tmp_path / "single", epochs=1), quiet=True)
    assert read_json(out / "config.json")["problem_type"] == "single_label_classification"
    assert read_json(out / "decisions.json")["labels"] == {}
    (prediction,) = Classifier.from_pretrained(out).predict(["hujan lebat"])
    assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-4)


def test_file_that_knows_only_one_group(tmp_path, settings, rows, write_rows):
    partial = write_rows(tmp_path / "stances.jsonl", [{key: value for key, value in row.items() if key != "topic"} for row in rows])
    out = train(settings(data=[partial], output=tmp_path / "model", epochs=3), quiet=True)
    record = read_json(out / "training.json")
    assert all(np.isfinite(row["eval_loss"]) for row in record["history"])
    decisions = read_json(out / "decisions.json")["labels"]
    # Of topics nothing is known, so they keep the default and count nobody as a negative.
    assert all(decisions[label] == {"threshold": 0.5, "support": 0} for label in ("arms_transfer", "sanctions", "diplomacy"))
    assert sum(decisions[label]["support"] for label in ("us_accusation", "dprk_denial", "russian_framing")) > 0


def test_context_is_read_where_asked_for(tmp_path, settings, rows, write_rows):
    with_context = [{**row, "context": rows[i - 1]["text"] if i % 2 else ""} for i, row in enumerate(rows)]
    data = write_rows(tmp_path / "context.jsonl", with_context)
    out = train(settings(data=[data], output=tmp_path / "model", epochs=2, context=True, layer_decay=0.8), quiet=True)
    classifier = Classifier.from_pretrained(out)
    assert classifier.uses_context
    (alone,) = classifier.predict([rows[0]["text"]])
    (after,) = classifier.predict([rows[0]["text"]], [rows[5]["text"]])
    assert alone.scores != after.scores


def test_sentences_longer_than_the_base_can_read(tmp_path, settings, rows, write_rows, tiny_base):
    base = shutil.copytree(tiny_base, tmp_path / "base")
    tokenizer = read_json(base / "tokenizer_config.json")
    tokenizer.pop("model_max_length", None)
    (base / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    long = [{**row, "text": " ".join([row["text"]] * 12)} for row in rows]
    out = train(settings(data=[write_rows(tmp_path / "l.jsonl", long)], base=str(base), output=tmp_path / "m", epochs=1), quiet=True)
    assert len(Classifier.from_pretrained(out).predict([long[0]["text"]])) == 1


def test_same_seed_same_model_other_seed_another(tmp_path, settings, labelled):
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = train(settings(data=[labelled], output=tmp_path / name, epochs=1, seed=seed, export=False), quiet=True)
        assert not (out / "onnx").exists()
        weights.append((out / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_a_trained_model_can_be_trained_further_in_place(trained_copy, settings, labelled):
    before = content(trained_copy)
    train(settings(data=[labelled], base=str(trained_copy), output=trained_copy, epochs=1), quiet=True)
    after = content(trained_copy)
    assert set(after) == set(before)
    assert after != before


@pytest.mark.parametrize(("seeds", "run"), [(1, "run"), (2, "run/seed6")])
def test_killed_training_goes_on_from_its_checkpoint(tmp_path, settings, recipe, labelled, caplog, cli_environment, seeds, run):
    changes = {"data": [labelled], "epochs": 30 // seeds, "batch_size": 16, "seeds": seeds}
    recipe = shutil.copy(recipe, tmp_path / "recipe.yaml")
    recipe.write_text(recipe.read_text(encoding="utf-8") + f"\nseeds: {seeds}\n", encoding="utf-8")
    whole = train(settings(output=tmp_path / "whole", **changes), quiet=True)
    arguments = ["--config", recipe, "--data", labelled, "--epochs", 30 // seeds, "--batch-size", 16, "--quiet"]
    arguments += ["--output", tmp_path / "model"]
    process = subprocess.Popen(
        [sys.executable, "-m", "classify", "train", *map(str, arguments)],
        cwd=tmp_path, env=cli_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    scratch = tmp_path / ".model.training"
    while not list(scratch.glob(f"{run}/checkpoint-*/trainer_state.json")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (tmp_path / "model").exists()
    kept, given = shutil.copytree(scratch, tmp_path / "kept"), labelled.read_bytes()
    try:
        # A label put right in the same file: the checkpoint learnt from the wrong one.
        rows = [json.loads(line) for line in given.decode().splitlines()]
        next(row for row in rows if row["topic"])["topic"] = []
        labelled.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with caplog.at_level("WARNING"):
            train(settings(output=tmp_path / "model", **changes), quiet=True)
    finally:
        labelled.write_bytes(given)
    assert "resuming" not in caplog.text
    shutil.rmtree(tmp_path / "model")
    kept.rename(scratch)
    # Two that were being written when an end came.
    (scratch / run / "checkpoint-99998").mkdir()
    (scratch / run / "checkpoint-99999").mkdir()
    (scratch / run / "checkpoint-99999/trainer_state.json").write_text('{"best_glo', encoding="utf-8")
    with caplog.at_level("WARNING"):
        out = train(settings(output=tmp_path / "model", **changes), quiet=True)
    assert "resuming from the last checkpoint" in caplog.text
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "recipe.yaml", "whole"]


# --------------------------------------------------------------------------------------------------------------------
# What is refused, and what a failure leaves behind


def test_output_that_is_no_model_directory_is_left_alone(tmp_path, run_cli, recipe, labelled, assert_refused):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("three years of work", encoding="utf-8")
    result = run_cli("train", "--config", recipe, "--data", labelled, "--output", folder, "--quiet")
    assert_refused(result, "thesis", "is not a model directory")
    assert content(folder) == {next(iter(content(folder))): b"three years of work"}
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


def test_output_that_is_a_file_is_refused(tmp_path, settings, labelled):
    (tmp_path / "model").write_text("a file")
    with pytest.raises(SettingsError, match="exists and is not a model directory"):
        train(settings(data=[labelled], output=tmp_path / "model"), quiet=True)


def test_empty_output_folder_is_fine(tmp_path, settings, labelled):
    (tmp_path / "model").mkdir()
    out = train(settings(data=[labelled], output=tmp_path / "model", epochs=1, export=False), quiet=True)
    assert (out / "config.json").is_file()


def test_failing_run_leaves_the_earlier_output_whole(trained_copy, settings, rows, write_rows, tmp_path):
    before = content(trained_copy)
    broken = write_rows(tmp_path / "broken.jsonl", [*rows, {"text": "x", "topic": ["sanction"]}])
    with pytest.raises(DataError, match=r"broken.jsonl:81: unknown topic label 'sanction'"):
        train(settings(data=[broken], output=trained_copy), quiet=True)
    with pytest.raises(SettingsError):
        train(settings(data=[write_rows(tmp_path / "whole.jsonl", rows)], base=str(tmp_path), output=trained_copy), quiet=True)
    assert content(trained_copy) == before


def test_failing_export_leaves_the_earlier_output_whole(trained_copy, settings, labelled):
    before = content(trained_copy)
    # Weights that are not numbers cannot be exported: the check against the graph fails.
    with pytest.raises(Exception, match="differs from its weights|not finite"):
        train(settings(data=[labelled], output=trained_copy, epochs=1, learning_rate=1e30), quiet=True)
    assert content(trained_copy) == before


def test_too_little_data_is_refused_with_a_way_out(tmp_path, settings, rows, write_rows):
    few = write_rows(tmp_path / "few.jsonl", [{**row, "split": ""} for row in rows[:2]])
    with pytest.raises(DataError, match="2 sentences are too few"):
        train(settings(data=[few], output=tmp_path / "m"), quiet=True)
    with pytest.raises(DataError, match="2 sentences are too few for 5 folds"):
        train(settings(data=[few], output=tmp_path / "m", validation=0.0, folds=5), quiet=True)
    assert not (tmp_path / "m").exists()


def test_mistakes_on_the_command_line_are_one_sentence(run_cli, labelled, tmp_path, assert_refused):
    bad = tmp_path / "bad.yaml"
    bad.write_text("learning_rat: 1e-4\n", encoding="utf-8")
    result = run_cli("train", "--config", bad, "--data", labelled, "--base", "b", "--output", tmp_path / "m")
    assert_refused(result, "learning_rat", "learning_rate", "bad.yaml")


def test_missing_data_is_named(tmp_path, settings):
    with pytest.raises(DataError, match=r"absent\.jsonl"):
        train(settings(data=[tmp_path / "absent.jsonl"], output=tmp_path / "m"), quiet=True)


# --------------------------------------------------------------------------------------------------------------------
# Several seeds, and mixing back


def test_several_seeds_give_the_mean_of_their_weights_and_each_is_recorded(trained_copy, tmp_path, settings, labelled):
    more = {"data": [labelled], "base": str(trained_copy), "epochs": 1, "export": False}
    one, other, both = (
        train(settings(output=tmp_path / name, seed=seed, seeds=seeds, **more), quiet=True)
        for name, seed, seeds in (("one", 1, 1), ("other", 2, 1), ("both", 1, 2))
    )
    one, other, both = (load_file(folder / "model.safetensors") for folder in (one, other, both))
    moved = 0.0
    for name, values in both.items():
        # The last layer is calibrated after the mean is taken.
        if not name.startswith("classifier."):
            np.testing.assert_allclose(values, (one[name] + other[name]) / 2, atol=1e-6)
            moved = max(moved, float(np.abs(values - one[name]).max()))
    assert moved > 1e-5
    figures = read_json(tmp_path / "both/training.json")["figures"]
    lone = [read_json(tmp_path / name / "training.json")["figures"]["validation_macro_f1"] for name in ("one", "other")]
    assert [(run["seed"], run["validation_macro_f1"]) for run in figures["seeds"]] == [(1, lone[0]), (2, lone[1])]
    assert "The weights are the mean of 2 runs by seed" in (tmp_path / "both/README.md").read_text(encoding="utf-8")
    assert "seeds" not in read_json(tmp_path / "one/training.json")["figures"]


def test_seeds_without_a_validation_split_claim_no_figure(tmp_path, settings, labelled, caplog):
    with caplog.at_level("WARNING"):
        train(settings(data=[labelled], output=tmp_path / "m", epochs=1, folds=2, seeds=2, export=False), quiet=True)
    said = [line for line in caplog.text.splitlines() if "seed " in line]
    assert said
    assert not any("0.000" in line for line in said)
    assert "seeds" not in read_json(tmp_path / "m/training.json")["figures"]


def test_all_seeds_begin_with_the_same_new_head(tmp_path, settings, labelled):
    one = settings(data=[labelled], output=tmp_path / "m")
    scheme = LabelScheme.load(one.labels)
    examples = load([labelled], scheme).examples[:8]
    heads = []
    for number in (0, 1):
        trainer, _ = prepare(one, scheme, examples, [], tmp_path / "run", quiet=True, number=number)
        heads.append((trainer.model.classifier.weight.detach().clone(), trainer.args.seed))
    assert torch.equal(heads[0][0], heads[1][0])
    assert heads[1][1] == heads[0][1] + 1


def test_share_of_the_base_is_mixed_back_in_and_recorded(tmp_path, settings, labelled, tiny_base):
    alone, mixed, whole = (
        train(settings(data=[labelled], output=tmp_path / name, epochs=1, **more), quiet=True)
        for name, more in (
            ("alone", {}), ("mixed", {"mix_base": str(tiny_base), "mix_share": 0.25}), ("whole", {"mix_base": str(tiny_base), "mix_share": 1.0})
        )
    )  # fmt: skip
    name = "bert.encoder.layer.0.attention.self.query.weight"
    tuned, halfway, base = (load_file(folder / "model.safetensors")[name] for folder in (alone, mixed, whole))
    np.testing.assert_allclose(halfway, 0.75 * tuned + 0.25 * base, atol=1e-6)
    assert not np.array_equal(tuned, base)
    record = read_json(mixed / "training.json")
    assert record["settings"]["mix_share"] == 0.25
    assert record["mixed_back"]["name"] == tiny_base.name
    assert len(record["mixed_back"]["sha256"]) == 64
    assert "mixed_back" not in read_json(alone / "training.json")


def test_base_that_cannot_be_mixed_is_found_before_training(tmp_path, settings, labelled):
    with pytest.raises(SettingsError, match="absent is not a directory"):
        train(settings(data=[labelled], output=tmp_path / "m", mix_base=str(tmp_path / "absent"), mix_share=0.5), quiet=True)
    assert not list(tmp_path.glob(".m.training/run/checkpoint-*"))


# --------------------------------------------------------------------------------------------------------------------
# Teachers


def test_student_learns_what_teachers_said(tmp_path, settings, labelled, rows):
    scheme = LabelScheme.load(settings(data=[labelled], output=tmp_path / "student").labels)
    column = scheme.ids.index("satellite_tech")
    insisting = np.zeros(len(scheme), dtype=np.float32)
    insisting[column] = 1.0
    examples = [parse("rows:1", row, scheme) for row in rows[:64]]
    SoftLabels(scheme.ids, {key(example): insisting for example in examples}).save(tmp_path / "soft.npz")
    taught = {"soft_labels": tmp_path / "soft.npz", "distillation_weight": 1.0, "epochs": 12}
    out = train(settings(data=[labelled], output=tmp_path / "student", **taught), quiet=True)
    said = np.mean([p.scores["satellite_tech"] for p in Classifier.from_pretrained(out).predict([row["text"] for row in rows[64:]])])
    assert said > 0.6
    assert read_json(out / "training.json")["settings"]["soft_labels"] == "soft.npz"
    # The labels have the last word.
    out = train(settings(data=[labelled], output=tmp_path / "firm", overrule=True, **taught), quiet=True)
    firm = np.mean([p.scores["satellite_tech"] for p in Classifier.from_pretrained(out).predict([row["text"] for row in rows[64:]])])
    assert firm < said - 0.1
    facts = read_json(out / "training.json")["figures"]["taught"]
    # All but the few of which that is the only label.
    assert facts["labelled"] / 2 < facts["overruled"] < facts["labelled"]


def test_teachers_are_asked_through_the_command_and_their_answers_about_the_pool_are_learnt(
    tmp_path, trained, settings, labelled, real, rows, write_rows, root
):
    article = {
        "title": "Kapal Kargo Dihentikan di Laut Lepas",
        "text": "Kapal kargo melanggar sanksi dan embargo di laut lepas.\nSuhu udara naik di kota.",
    }
    extra = write_rows(tmp_path / "more.jsonl", [article])
    gold = tmp_path / "gold.jsonl"
    gold.write_text(json.dumps({"text": "Suhu udara naik di kota."}) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "training.distil", "--teacher", trained.path, "--teacher", trained.path, "--held-out", gold]
    command += ["--data", labelled, "--data", real.labels, "--pool", real.pool, "--pool", extra, "--output", tmp_path / "soft.npz"]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=root)
    assert result.returncode == 0, result.stderr
    assert "Loading" not in result.stderr
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    answers = SoftLabels.load(tmp_path / "soft.npz", scheme)
    # Neither what is kept aside nor what a check from outside holds was asked about.
    assert not {key(parse("rows:1", row, scheme)) for row in rows[64:]} & set(answers.scores)
    kargo = digest("Kapal kargo melanggar sanksi dan embargo di laut lepas.\nKapal Kargo Dihentikan di Laut Lepas")[:16]
    assert kargo in answers.scores
    # Of 64 + 12 labelled ones those that train, the title and its first sentence.
    assert 50 < len(answers.scores) < 64 + 12 + 2
    known = Classifier.from_pretrained(trained.path).predict(["Kapal kargo melanggar sanksi dan embargo di laut lepas."])[0]
    said = answers.scores[kargo]
    np.testing.assert_allclose(said, list(known.scores.values()), atol=1 / 200)
    out = train(
        settings(data=[labelled], pool=[extra], output=tmp_path / "s", soft_labels=tmp_path / "soft.npz", unlabelled=True, epochs=1),
        quiet=True,
    )
    taught = read_json(out / "training.json")["figures"]["taught"]
    assert taught["labelled"] > 35
    assert taught["unlabelled"] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unlabelled": True}, "'unlabelled' needs 'soft_labels'"),
        ({"soft_labels": "a.npz", "folds": 3}, "'soft_labels' and 'folds' do not go together"),
        ({"loss": "hinge"}, "'loss' must be one of plain, focal, asymmetric, not 'hinge'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path, settings, labelled, changes, message):
    if "soft_labels" in changes:
        changes = {**changes, "soft_labels": tmp_path / changes["soft_labels"]}
    with pytest.raises(SettingsError, match=message):
        settings(data=[labelled], output=tmp_path / "x", **changes)
