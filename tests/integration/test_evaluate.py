import json
import re
import warnings
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest
from sklearn.metrics import f1_score

from classify.classifier import Classifier
from classify.errors import DataError, ModelDirectoryError
from classify.rates import ErrorRates
from training import evaluate as evaluation

PICTURES = ("confusion.png", "precision_recall.png", "reliability.png")


@pytest.fixture(scope="module")
def evaluated(trained, labelled, real, run_cli, tmp_path_factory):
    """What `classify evaluate` says, writes and leaves in the model."""
    assert trained.result.returncode == 0, trained.result.stderr
    folder = tmp_path_factory.mktemp("evaluated")
    flags = ["--model", trained.path, "--data", labelled, "--data", real.labels, "--pool", real.pool]
    readme, rates = trained.path / "README.md", trained.path / "error_rates.json"
    own = {path: path.read_text(encoding="utf-8") for path in (readme, rates)}
    result = run_cli("evaluate", *flags, "--output", folder / "out", "--card", folder / "card.md", "--probes", "--error-rates")
    card, counted = readme.read_text(encoding="utf-8"), ErrorRates.load(trained.path)
    for path, text in own.items():
        path.write_text(text, encoding="utf-8")
    return SimpleNamespace(result=result, out=folder / "out", card=folder / "card.md", readme=card, rates=counted)


@pytest.fixture(scope="module")
def values(evaluated):
    assert evaluated.result.returncode == 0, evaluated.result.stderr
    return json.loads((evaluated.out / "evaluation.json").read_text(encoding="utf-8"))


def part(values, name):
    return next(one for one in values["parts"] if one["name"].startswith(name))


def test_everything_is_written(evaluated, values):
    assert {path.name for path in evaluated.out.iterdir()} == {"evaluation.json", "evaluation.md", *PICTURES}
    for name in PICTURES:
        assert (evaluated.out / name).read_bytes().startswith(b"\x89PNG")
        assert (evaluated.out / name).stat().st_size > 5000
    assert (evaluated.out / "evaluation.md").read_text(encoding="utf-8") in evaluated.result.stdout
    assert "Traceback" not in evaluated.result.stderr


def test_only_held_out_splits_are_scored(values):
    found = {one["name"]: (one["rows"], one["documents"]) for one in values["parts"]}
    assert found == {"own.jsonl (test split)": (16, 16), "real_labels.jsonl (development split)": (12, 4)}


def test_figures_are_those_of_the_predictions(values, trained, rows):
    classifier = Classifier.from_pretrained(trained.path)
    held = rows[64:]
    predictions = classifier.predict([row["text"] for row in held])
    shown = part(values, "own")["systems"]["model"]
    for label in classifier.scheme.ids:
        group = classifier.scheme.group_of(label).id
        counted = [i for i, row in enumerate(held) if label not in row.get("disputed", [])]
        wanted = [label in held[i][group] for i in counted]
        given = [label in predictions[i].labels[group] for i in counted]
        assert shown["labels"][label]["support"] == sum(wanted)
        assert shown["labels"][label]["predicted"] == sum(given)
        assert shown["labels"][label]["f1"][0] == pytest.approx(f1_score(wanted, given, zero_division=0), abs=1e-4)
    assert shown["rows"] == 16


def test_disputed_labels_are_left_out_and_counted_apart(values):
    assert part(values, "own")["disputed"] == 2
    assert part(values, "real")["disputed"] == 1
    assert set(part(values, "own")["model_with_disputed"]) == {"topic", "stance"}


def test_baselines_stand_beside_the_model(values, evaluated):
    for one in values["parts"]:
        assert set(one["systems"]) == {"model", "keywords", "tfidf"}
    shown = (evaluated.out / "evaluation.md").read_text(encoding="utf-8")
    assert "| | this model | TF-IDF + logistic regression | keyword list |" in shown
    # The keyword list knows "sanksi"; a linear model learns words that tell.
    assert part(values, "own")["systems"]["keywords"]["labels"]["sanctions"]["f1"][0] > 0.8
    assert part(values, "own")["systems"]["tfidf"]["groups"]["stance"]["macro_f1"][0] > 0.6


def test_tables_are_well_formed(evaluated):
    table: list[str] = []
    for line in [*(evaluated.out / "evaluation.md").read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            table.append(line)
            continue
        assert len({one.count("|") for one in table}) <= 1, table
        table = []


def test_mistakes_are_counted_into_the_model(evaluated, trained, rows, real):
    texts = {row["sha256"]: one["text"] for row, one in zip(real.rows, real.sentences, strict=True)}
    held = rows[64:] + [row | {"text": texts[row["sha256"]]} for row in real.rows if row["split"] == "development"]
    rates = evaluated.rates
    assert rates.source == "own.jsonl (test split), real_labels.jsonl (development split)"
    assert (rates.sentences, rates.validation) == (len(held), False)
    for profile in ("balanced", "precise"):
        classifier = Classifier.from_pretrained(trained.path, profile=profile)
        predictions = classifier.predict([row["text"] for row in held])
        for label in classifier.scheme.ids:
            group = classifier.scheme.group_of(label).id
            pairs = [(label in row[group], label in one.labels[group]) for row, one in zip(held, predictions, strict=True)]
            found = rates.profiles[profile][label]
            # Disputed labels count as they were decided.
            assert found.positives + found.negatives == len(held)
            assert found.true_positives == pairs.count((True, True))
            assert found.false_positives == pairs.count((False, True))


def test_wrong_rows_are_named_without_their_text(values, trained, rows, real):
    for one in values["parts"]:
        for wrong in one["wrong"]:
            assert set(wrong) == {"id", "file", "extra", "missed"}
    text = json.dumps(values, ensure_ascii=False)
    assert not any(sentence["text"] in text for sentence in real.sentences)
    assert values["training"]["held_out"]["test"] == {"own.jsonl": [row["id"] for row in rows[64:]]}


def test_probes_are_asked_on_request(values, evaluated, trained, labelled):
    kinds = {one["kind"]: one for one in values["probes"]}
    assert {"speaker swap, nobody's stance", "negated", "hypothetical", "unmoved by dateline"} <= set(kinds)
    assert all(one["passed"] + len(one["failures"]) == one["asked"] for one in kinds.values())
    shown = f"| negated | {kinds['negated']['passed']} | {kinds['negated']['asked']} |"
    assert shown in evaluated.result.stdout
    assert shown in evaluated.card.read_text(encoding="utf-8")
    # The tokenizer knows no capitals.
    assert kinds["unmoved by capitals"]["failures"] == kinds["unmoved by small letters"]["failures"] == []
    assert "probes" not in evaluation.evaluate(trained.path, [labelled], resamples=10)


def test_calibration_error_is_that_of_the_scores(values, trained, rows):
    own = part(values, "own")
    held_out = [row for row in rows if row.get("split") == "test" and "sanctions" not in row.get("disputed", ())]
    scores = np.asarray(
        [
            prediction.scores["sanctions"]
            for prediction in Classifier.from_pretrained(trained.path).predict([row["text"] for row in held_out])
        ]
    )
    truth = np.asarray(["sanctions" in row["topic"] for row in held_out])
    edges = np.minimum((scores * 10).astype(int), 9)
    error = sum(abs(scores[edges == b].mean() - truth[edges == b].mean()) * (edges == b).mean() for b in set(edges.tolist()))
    assert own["calibration"]["sanctions"]["error"] == pytest.approx(error, abs=1e-3)
    assert sum(size for _, _, size in own["calibration"]["sanctions"]["bins"]) == len(held_out)


def test_what_share_of_each_score_is_right_is_a_table(evaluated, values):
    shown = evaluated.result.stdout
    at = shown.index("| of those scored | 0-0.1 | 0.1-0.3 | 0.3-0.5 | 0.5-0.7 | 0.7-0.9 | 0.9-1 |")
    row = next(line for line in shown[at:].splitlines() if line.startswith("| sanctions |"))
    bins = values["parts"][0]["calibration"]["sanctions"]["bins"]
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    sizes = [int(cell.split(" of ")[1]) for cell in cells if cell != "-"]
    assert sum(sizes) == sum(size for _, _, size in bins)
    right = sum(int(cell.split("%")[0]) / 100 * int(cell.split(" of ")[1]) for cell in cells if cell != "-")
    assert right == pytest.approx(sum(share * size for _, share, size in bins), abs=0.01 * sum(sizes))


def test_profile_and_review_are_measured(tmp_path, trained_copy, labelled):
    """First nothing is sure enough and everything is to be reviewed, then the other way round."""
    decisions = json.loads((trained_copy / "decisions.json").read_text(encoding="utf-8"))
    for entry in decisions["labels"].values():
        entry |= {"precise": None, "review": [0.0, 1.0]}
    (trained_copy / "decisions.json").write_text(json.dumps(decisions), encoding="utf-8")
    (part,) = evaluation.evaluate(trained_copy, [labelled], resamples=10)["parts"]
    assert part["review"]["sentences"] == 1
    assert part["review"]["mistakes"] == (1 if part["wrong"] else 0)
    assert all(one == {"given": 0, "precision": 0.0, "recall": 0.0} for one in part["precise"].values())
    for entry in decisions["labels"].values():
        entry |= {"threshold": 0.0, "precise": 0.0}
        del entry["review"]
    (trained_copy / "decisions.json").write_text(json.dumps(decisions), encoding="utf-8")
    (part,) = evaluation.evaluate(trained_copy, [labelled], resamples=10)["parts"]
    assert part["review"] == {"sentences": 0, "mistakes": 0}
    for label, one in part["precise"].items():
        support = part["systems"]["model"]["labels"][label]["support"]
        assert one["recall"] == (1 if support else 0)
        assert one["precision"] == pytest.approx(support / one["given"], abs=1e-4)


def test_a_file_where_the_output_folder_should_be(trained, labelled, tmp_path, run_cli, assert_refused):
    (tmp_path / "taken").write_text("x")
    result = run_cli("evaluate", "--model", trained.path, "--data", labelled, "--output", tmp_path / "taken")
    assert_refused(result, "cannot write", "taken is no folder")


def test_curves(values):
    for one in values["parts"]:
        for label, curve in one["curves"].items():
            assert one["systems"]["model"]["labels"][label]["support"] > 0
            assert 0 <= curve["average_precision"] <= 1
            assert len(curve["precision"]) == len(curve["recall"])


def test_card_is_written_twice_with_nowhere_a_gap(evaluated, values, tiny_base):
    text = evaluated.card.read_text(encoding="utf-8")
    shown = re.search(r"!\[.+\]\((.+reliability\.png)\)", text)
    assert shown
    assert (evaluated.card.parent / shown[1]).read_bytes().startswith(b"\x89PNG")
    assert text.replace(shown[1], "reliability.png") == evaluated.readme
    assert "{{" not in text
    assert "}}" not in text
    assert text.startswith("---\nlanguage: id\n")
    assert tiny_base.name in text
    assert "No record of the pre-training run" in text
    point = part(values, "own")["systems"]["model"]["groups"]["topic"]["macro_f1"][0]
    assert f"{{type: f1, name: 'topic macro-F1', value: {point:.4f}}}" in text
    assert "`russian_framing`" in text


def test_reliability_of_a_few_sentences_is_drawn_without_a_warning(tmp_path):
    few = {"name": "few", "calibration": {"arms_transfer": {"bins": [(0.2, 0.0, 3)], "error": None}}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluation.draw_reliability({"parts": [few]}, tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_picture_is_found_from_a_folder_with_spaces(values, trained_copy, tmp_path):
    from classify.modeldir import ModelDirectory
    from training.card import write_card

    model = trained_copy.rename(trained_copy.with_name("my model"))
    write_card(values, ModelDirectory.open(model), tmp_path / "card.md")
    (link,) = re.findall(r"!\[.+\]\((.+reliability\.png)\)", (tmp_path / "card.md").read_text(encoding="utf-8"))
    assert " " not in link
    assert (tmp_path / unquote(link)).is_file()
    assert "](reliability.png)" in (model / "README.md").read_text(encoding="utf-8")


def test_card_tells_of_the_pretraining(trained_copy, labelled):
    from classify.modeldir import ModelDirectory
    from training.card import card

    facts = {
        "tokens": 2_500_000, "seconds": 600, "machine": {"threads": 2, "device": "cpu", "precision": "no"},
        "figures": {
            "before": {"validation_mlm": 7.1, "validation_accuracy": 0.05, "retrieval": 0.1},
            "after": {"validation_mlm": 3.2, "validation_accuracy": 0.4, "retrieval": 0.8},
        },
    }  # fmt: skip
    (trained_copy / "pretrain.json").write_text(json.dumps(facts))
    text = card(evaluation.evaluate(trained_copy, [labelled], resamples=10), ModelDirectory.open(trained_copy))
    assert "2.5 million tokens in 10 minutes on 2 CPU threads" in text
    # What is told of the shipped model's making is true of no other.
    assert "shipped}}" not in text
    assert "IndoBERT" not in text
    assert "7.10 before and 3.20 after" in text
    assert "{{" not in text


def test_header_of_the_card_is_yaml(evaluated, values):
    import yaml

    header = yaml.safe_load(evaluated.card.read_text(encoding="utf-8").split("---")[1])
    assert "license" not in header  # whoever trained it chooses
    assert header["model-index"][0]["name"] == "model"
    assert [one["dataset"]["name"] for one in header["model-index"][0]["results"]] == [one["name"] for one in values["parts"]]


def test_data_wholly_trained_on_is_refused(trained, write_rows, rows, tmp_path, run_cli, assert_refused):
    seen = write_rows(tmp_path / "own.jsonl", rows[:40])
    result = run_cli("evaluate", "--model", trained.path, "--data", seen)
    assert_refused(result, "every sentence of the data was used in training")


def test_file_never_trained_on_is_scored_whole(trained, rows, write_rows, tmp_path, labelled):
    fresh = write_rows(tmp_path / "fresh.jsonl", rows[:30])
    result = evaluation.evaluate(trained.path, [fresh, labelled], resamples=10)
    assert {one["name"]: one["rows"] for one in result["parts"]} == {"fresh.jsonl": 30, "own.jsonl (test split)": 16}


def test_same_ids_in_another_file_stay_trained_on(tmp_path, settings, rows, write_rows):
    from training.finetune import train

    # Both files number their rows alike, and only the first keeps some aside.
    first = write_rows(tmp_path / "a.jsonl", [{**row, "group": f"a{i}"} for i, row in enumerate(rows[40:])])
    second = [{**row, "id": rows[40 + i]["id"], "group": f"b{i}", "split": "train"} for i, row in enumerate(rows[:40])]
    out = train(settings(data=[first, write_rows(tmp_path / "b.jsonl", second)], output=tmp_path / "m", epochs=1, export=False), quiet=True)
    result = evaluation.evaluate(out, [tmp_path / "a.jsonl", tmp_path / "b.jsonl"], resamples=10)
    assert {one["name"]: one["rows"] for one in result["parts"]} == {"a.jsonl (test split)": 16}
    record = json.loads((out / "training.json").read_text(encoding="utf-8"))
    from classify.labels import LabelScheme
    from training.dataset import load

    scheme = LabelScheme.load(out / "labels.yaml")
    examples = load([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], scheme).examples
    assert len(evaluation.training_examples(record, examples)) == 24 + 40


def test_rows_without_ids_are_recognised_from_anywhere(tmp_path, settings, rows, write_rows, monkeypatch):
    from pathlib import Path

    from training.finetune import train

    bare = [{key: value for key, value in row.items() if key not in ("id", "group")} for row in rows]
    write_rows(tmp_path / "bare.jsonl", bare)
    monkeypatch.chdir(tmp_path)
    train(settings(data=[Path("bare.jsonl")], output=tmp_path / "m", epochs=1, export=False), quiet=True)
    monkeypatch.chdir(tmp_path.parent)
    result = evaluation.evaluate(tmp_path / "m", [tmp_path / "bare.jsonl"], resamples=10)
    assert {one["name"]: one["rows"] for one in result["parts"]} == {"bare.jsonl (test split)": 16}


def test_model_without_record_is_scored_on_everything(tiny_model, labelled, tmp_path):
    result = evaluation.evaluate(tiny_model, [labelled], train_data=[labelled], resamples=10)
    assert result["training"] == {}
    assert [(one["name"], one["rows"], set(one["systems"])) for one in result["parts"]] == [("own.jsonl", 80, {"model", "keywords"})]
    evaluation.write(result, tmp_path / "out")
    assert (tmp_path / "out" / PICTURES[0]).exists()


def test_foreign_scheme_has_no_keyword_baseline(standard_model, tmp_path, write_rows, indonesian):
    data = write_rows(tmp_path / "d.jsonl", [{"text": text, "label": ["netral"]} for text in indonesian[:10]])
    result = evaluation.evaluate(standard_model, [data], resamples=10)
    assert set(result["parts"][0]["systems"]) == {"model"}
    shown = evaluation.markdown(result)
    rows = [line for line in shown.splitlines() if line.startswith("| ") and "netral" in line]
    assert [row.count("|") for row in rows] == [6, 7, 8]
    with pytest.raises(DataError, match="which this model does not give: leave --probes out"):
        evaluation.evaluate(standard_model, [data], resamples=10, probe=True)


def test_without_training_sentences_there_is_no_linear_baseline(trained, rows, write_rows, tmp_path, caplog):
    other = write_rows(tmp_path / "other.jsonl", rows)
    result = evaluation.evaluate(trained.path, [other], train_data=[other], resamples=10)
    assert "no TF-IDF baseline" in caplog.text
    assert "--train-data" in caplog.text
    assert [(one["name"], set(one["systems"])) for one in result["parts"]] == [("other.jsonl", {"model", "keywords"})]


def test_data_that_knows_only_one_group(trained, rows, write_rows, tmp_path):
    partial = [{"id": row["id"], "text": row["text"], "stance": row["stance"]} for row in rows]
    result = evaluation.evaluate(trained.path, [write_rows(tmp_path / "stances.jsonl", partial)], resamples=10)
    groups = result["parts"][0]["systems"]["model"]["groups"]
    assert groups["topic"]["without_support"] == ["arms_transfer", "sanctions", "diplomacy", "satellite_tech"]
    assert groups["stance"]["macro_f1"][0] > 0
    assert result["parts"][0]["disputed"] == 0
    assert "leaves out arms_transfer, sanctions, diplomacy, satellite_tech" in evaluation.markdown(result)
    evaluation.write(result, tmp_path / "out")


def test_context_counts_for_models_that_read_it(tmp_path, settings, rows, write_rows):
    from training.finetune import train

    data = write_rows(tmp_path / "c.jsonl", [{**row, "context": rows[i - 3]["text"]} for i, row in enumerate(rows)])
    out = train(settings(data=[data], output=tmp_path / "m", epochs=2, context=True, export=False), quiet=True)
    result = evaluation.evaluate(out, [data], resamples=10)
    classifier = Classifier.from_pretrained(out)
    held = rows[64:]
    given = classifier.predict([row["text"] for row in held], [rows[i + 61]["text"] for i in range(16)])
    counts = [sum(label in one.labels[classifier.scheme.group_of(label).id] for one in given) for label in classifier.scheme.ids]
    shown = result["parts"][0]["systems"]["model"]["labels"]
    disputed = sum(label in one.labels[classifier.scheme.group_of(label).id] for row, one in zip(held, given, strict=True)
                   for label in row.get("disputed", []))  # fmt: skip
    assert sum(shown[label]["predicted"] for label in classifier.scheme.ids) == np.sum(counts) - disputed


def test_missing_model_and_missing_data_are_named(trained, tmp_path, labelled):
    with pytest.raises(ModelDirectoryError, match="absent does not exist"):
        evaluation.evaluate(tmp_path / "absent", [labelled])
    with pytest.raises(DataError, match="absent.jsonl"):
        evaluation.evaluate(trained.path, [tmp_path / "absent.jsonl"])


def test_intervals_are_shown_in_brackets(evaluated):
    assert re.search(r"\| topic macro-F1 \| \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\] \|", evaluated.result.stdout)


def test_what_cannot_be_written_is_refused_before_the_evaluation(run_cli, assert_refused, tiny_model, tmp_path, unprivileged):
    closed, file = tmp_path / "tertutup", tmp_path / "berkas"
    closed.mkdir(mode=0o555)
    file.write_text("Ya.")
    # Data that would be complained of first, were it read.
    arguments = ("evaluate", "--model", tiny_model, "--data", tmp_path / "absent.jsonl")
    absent, below = tmp_path / "tidak-ada" / "c.md", file / "hasil"
    assert_refused(run_cli(*arguments, "--card", absent), f"cannot write {absent}: there is no folder {absent.parent}")
    assert_refused(run_cli(*arguments, "--card", tmp_path), f"cannot write {tmp_path}: it is a folder")
    assert_refused(run_cli(*arguments, "--output", below), f"cannot write {below}: {file} is no folder")
    refused = run_cli(*arguments, "--output", closed / "a" / "b", through=unprivileged)
    assert_refused(refused, f"cannot write {closed / 'a' / 'b'}: nothing may be written in {closed}")
    # A folder that is still to be made is none of these.
    assert_refused(run_cli(*arguments, "--output", tmp_path / "baru" / "hasil"), "absent.jsonl")
