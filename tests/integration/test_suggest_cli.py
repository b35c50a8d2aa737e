import csv
import io
import json
from xml.etree import ElementTree

import pytest

GROUPS = {
    "topic": ["arms_transfer", "sanctions", "diplomacy", "satellite_tech"],
    "stance": ["us_accusation", "dprk_denial", "russian_framing"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, indonesian):
    folder = tmp_path_factory.mktemp("berita")
    for number in range(0, 36, 3):
        text = " ".join(indonesian[number : number + 3])
        (folder / f"{number:02}.txt").write_text(f"Home > Dunia\n{text}\nBaca juga: Putin ke Hanoi\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def suggest(run_cli, tiny_model):
    def run(*arguments, **more):
        return run_cli("suggest", "--model", tiny_model, "--threads", 1, *arguments, **more)

    return run


def test_csv_names_sentences_of_the_documents_with_answers_and_reasons(suggest, run_cli, tiny_model, folder):
    result = suggest(folder, "--count", 12)
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("12 of 36 sentences chosen (60 sentences read; left out: 24 furniture)")
    rows = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
    assert len(rows) == 12
    predicted = {}
    lines = run_cli("predict", folder, "--model", tiny_model, "--all-scores", "--format", "jsonl").stdout.splitlines()
    for one in map(json.loads, lines):
        predicted[one["document"], one["text"]] = one
    for row in rows:
        one = predicted[row["document"], row["text"]]
        assert {group: row[group].split(";") if row[group] else [] for group in GROUPS} == one["labels"]
        assert {label: float(row[f"score_{label}"]) for label in one["scores"]} == pytest.approx(one["scores"], abs=2e-6)
        assert row["group"] == row["document"]
        text = (folder / row["document"]).read_text(encoding="utf-8")
        assert not row["context"] or f"{row['context']} {row['text']}" in text
        assert row["why"].startswith(("uncertain: ", "rare: ", "at random"))
    assert any(row["context"] for row in rows)
    assert len({row["text"] for row in rows}) == 12


def test_what_is_labelled_or_was_suggested_is_not_chosen_again(suggest, folder, tmp_path):
    first = suggest(folder, "--count", 20, "--format", "label-studio", "--output", tmp_path / "first.json")
    assert first.returncode == 0, first.stderr
    tasks = json.loads((tmp_path / "first.json").read_text(encoding="utf-8"))
    view = ElementTree.parse(tmp_path / "first.xml")
    assert {c.get("name"): [one.get("value") for one in c] for c in view.iter("Choices")} == GROUPS
    second = suggest(folder, "--count", 50, "--format", "doccano", "--exclude", tmp_path)
    assert second.returncode == 0, second.stderr
    rows = [json.loads(line) for line in second.stdout.splitlines()]
    assert "20 already labelled" in second.stderr
    assert len(rows) == 16
    assert not {row["text"] for row in rows} & {task["data"]["text"] for task in tasks}
    assert all(set(row["label"]) <= {label for labels in GROUPS.values() for label in labels} for row in rows)


def test_seed_batches_and_threads(suggest, folder):
    outputs = {suggest(folder, "--count", 9, *flags).stdout for flags in ((), ("--batch-size", 3), ("--threads", 2))}
    assert len(outputs) == 1
    assert suggest(folder, "--count", 9, "--seed", 1).stdout not in outputs


def test_the_plain_install_is_enough(suggest, cli_environment, folder, tmp_path):
    for name in ("torch", "transformers", "sklearn", "pandas", "scipy", "training"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not installed')\n")
    result = suggest(folder, "--count", 3, "--strategy", "badge", env=cli_environment(tmp_path))
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 4


def test_lines_from_standard_input(suggest):
    lines = b"Kremlin membantah tuduhan itu.\nBaca juga: Putin ke Hanoi\nya\nKim tiba di stasiun Vladivostok.\n"
    result = suggest("-", "--lines", "--format", "jsonl", stdin=lines)
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(row["text"] for row in rows) == ["Kim tiba di stasiun Vladivostok.", "Kremlin membantah tuduhan itu."]
    assert {row["context"] for row in rows} == {""}
    # Lines are sentences of their own: kept together, they could not be divided for training.
    assert len({row["group"] for row in rows}) == 2
    assert "1 of under 3 or over 120 words, 1 furniture" in result.stderr


def test_annotated_suggestions_train_a_model(suggest, run_cli, tmp_path, rows, labelled, recipe):
    """Suggest, label, check, train: what a round of annotation is."""
    truth = {row["text"]: row for row in rows}
    (tmp_path / "news.txt").write_text("".join(f"{text}\n" for text in truth), encoding="utf-8")
    batch = tmp_path / "batch.jsonl"
    done = suggest(tmp_path / "news.txt", "--lines", "--count", 40, "--format", "jsonl", "--output", batch)
    assert done.returncode == 0, done.stderr
    answered = [json.loads(line) for line in batch.read_text(encoding="utf-8").splitlines()]
    assert len(answered) >= 30
    for row in answered:
        row |= {group: truth[row["text"]][group] for group in GROUPS}
    batch.write_text("".join(json.dumps(row) + "\n" for row in answered), encoding="utf-8")
    checked = run_cli("check-data", batch)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 errors" in checked.stdout
    trained = run_cli("train", "--config", recipe, "--data", batch, "--output", tmp_path / "model", "--epochs", 1, "--quiet")
    assert trained.returncode == 0, trained.stderr
    record = json.loads((tmp_path / "model" / "training.json").read_text(encoding="utf-8"))
    assert sum(record["sentences"].values()) == len(answered)


def test_mistakes_are_refused_before_anything_is_written(suggest, folder, tmp_path, assert_refused):
    kept = tmp_path / "kept.csv"
    kept.write_text("before")
    for flags, words in (
        (("--strategy", "best"), ("unknown strategy 'best'", "hybrid")),
        (("--format", "xml"), ("unknown format 'xml'", "label-studio")),
        (("--exclude", tmp_path / "none.jsonl"), ("there is no data file", "none.jsonl")),
        (("--label-config", tmp_path / "x.xml"), ("--label-config is for --format label-studio",)),
    ):
        assert_refused(suggest(folder, "--output", kept, *flags), *words)
    short = tmp_path / "short.txt"
    short.write_text("Ya.\n")
    assert_refused(suggest(short, "--output", kept), "nothing to choose from", "under 3")
    assert_refused(suggest(folder, "--format", "label-studio", "--output", tmp_path / "x.xml"), "tasks and configuration")
    gone = suggest(folder, tmp_path / "gone.txt", "--count", 3)
    assert (gone.returncode, len(list(csv.reader(io.StringIO(gone.stdout))))) == (2, 4)
    assert "there is no file or folder named" in gone.stderr
    assert_refused(suggest(tmp_path / "gone.txt", "--output", kept), "no file or folder")
    assert kept.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.csv", "short.txt"]
