"""Continuing a trained model, comparing it with what it was, and repeating the run; the commands are those of docs/retraining.md."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from classify.errors import ClassifyError, DataError, SettingsError
from classify.modeldir import ModelDirectory
from training.dataset import load
from training.evaluate import parts
from training.finetune import KEPT, train
from training.reproduce import Outcome, reproduce

KINDS = ["uji nuklir di Punggye-ri", "percobaan bom nuklir", "ledakan nuklir bawah tanah"]


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def guide(root):
    """The guide's commands, and its label as it is to stand in a scheme."""
    text = (root / "docs/retraining.md").read_text(encoding="utf-8").split("## Keep what worked")[1].split("\n## ")[0]
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL)
    return SimpleNamespace(
        commands=[line for kind, block in blocks if kind == "sh" for line in block.splitlines()],
        label=next(block for kind, block in blocks if kind == "yaml"),
        rows=[json.loads(line) for kind, block in blocks if kind == "json" for line in block.splitlines()],
    )


@pytest.fixture(scope="module")
def continued(tmp_path_factory, guide, settings, recipe, rows, write_rows, root, cli_environment):
    """The guide's commands run in a folder where a tiny model stands for the shipped one."""
    folder = tmp_path_factory.mktemp("retraining")
    (folder / "data").mkdir()
    (folder / "mine").mkdir()
    write_rows(folder / "data/sentences.jsonl", rows)
    train(settings(data=[folder / "data/sentences.jsonl"], output=folder / "model", epochs=8), quiet=True)
    scheme = (root / "configs/labels.yaml").read_text(encoding="utf-8")
    cut = scheme.index("  - id: stance")
    (folder / "mine/labels.yaml").write_text(scheme[:cut].rstrip() + "\n" + guide.label + "\n" + scheme[cut:], encoding="utf-8")
    made = [{**row, "id": f"doc{row['id']}"} for row in guide.rows]
    for i in range(60):
        text = f"{KINDS[i % 3] if i % 2 else 'harga beras'} {rows[i]['text'].split()[-1]} {i}"
        made.append(
            {
                "id": f"n{i}",
                "text": text,
                "topic": ["nuclear_test"] * (i % 2),
                "split": "test" if i >= 50 else "train" if i % 5 else "validation",
            }
        )
    write_rows(folder / "mine/nuclear.jsonl", made)
    ran = []
    for command in guide.commands:
        words = [sys.executable, "-m", *command.split()]
        if words[3] == "train":
            words.append("--quiet")
        ran.append(subprocess.run(words, cwd=folder, env=cli_environment(), capture_output=True, text=True, timeout=300))
    return SimpleNamespace(folder=folder, ran=ran, path=folder / "runs/five")


def test_the_guides_commands_work(continued, guide):
    assert [command.split()[1] for command in guide.commands] == ["train", "diff", "reproduce"]
    trained, compared, repeated = continued.ran
    assert trained.returncode == 0, trained.stderr
    assert re.search(
        r"^the scores of model teach labels that some file never gives: .*\d+ sentences of sentences.jsonl are rehearsed",
        trained.stderr,
        re.MULTILINE,
    )
    assert re.search(r"^labels of model that go on: arms_transfer, .*; begin anew: nuclear_test$", trained.stderr, re.MULTILINE)
    assert "| label | support | F1 model | F1 five | difference |" in trained.stderr
    assert "#### From right to wrong, largest change of score first" in trained.stderr
    # A tiny model may well lose more than two points.
    assert compared.returncode in (0, 1), compared.stderr
    assert (compared.returncode == 1) == ("F1 fell by more than 0.02" in compared.stderr)
    assert "Only the new model has: nuclear_test (F1 " in compared.stdout
    # The test splits of both files: sixteen and ten sentences, and what the split by names adds.
    assert int(re.search(r"### (\d+) sentences", compared.stdout)[1]) >= 26
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert "The weights are the same, bit for bit." in repeated.stdout
    assert not [ran for ran in continued.ran if "Traceback" in ran.stderr]


def test_the_record_knows_what_was_rehearsed_and_what_came_before(continued, rows):
    record = read_json(continued.path / "training.json")
    assert record["settings"]["data"] == ["mine/nuclear.jsonl"]
    assert (record["settings"]["base"], record["settings"]["rehearse"]) == ("model", ["data/sentences.jsonl"])
    assert (list(record["data"]), record["rehearsed"]) == (["nuclear.jsonl", "sentences.jsonl"], ["sentences.jsonl"])
    # New data is silent about the old labels, so a share of the old weights comes back.
    assert (record["settings"]["mix_base"], record["settings"]["mix_share"]) == ("model", KEPT)
    assert record["mixed_back"]["sha256"] == record["base"]["sha256"]
    assert record["before"][0]["held_out"] == read_json(continued.folder / "model/training.json")["held_out"]
    assert set(record["figures"]["against_base"]) == set(ModelDirectory.open(continued.folder / "model").scheme.ids)


def test_the_card_has_the_models_own_figures(continued):
    card = (continued.path / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(card.split("---")[1])
    shown = header["model-index"][0]["results"]
    figures = read_json(continued.path / "training.json")["figures"]["held_out"]
    assert [one["dataset"]["name"] for one in shown] == list(figures)
    assert shown[0]["metrics"][0]["value"] == pytest.approx(next(iter(figures.values()))["topic"], abs=1e-4)
    # The new sentences tell nothing of stances, so there is no figure for them.
    assert set(figures["nuclear.jsonl (test split)"]) == {"topic"}
    assert header["model-index"][0]["name"] == "five"
    assert "| label | support | F1 model | F1 this model | difference |" in card
    assert "`nuclear_test`" in card
    assert "{{" not in card
    assert "Pyongyang's voice" not in card


def test_protection_keeps_old_labels_where_nothing_does_without(continued, settings, tmp_path):
    data, labels = continued.folder / "mine/nuclear.jsonl", continued.folder / "mine/labels.yaml"
    changes = {"data": [data], "labels": labels, "base": str(continued.folder / "model"), "epochs": 6, "learning_rate": 3e-3}
    drift = {}
    for protect in (False, True):
        out = train(settings(output=tmp_path / str(protect), protect=protect, **changes), quiet=True)
        old, new = ModelDirectory.open(continued.folder / "model"), ModelDirectory.open(out)
        examples = load([continued.folder / "data/sentences.jsonl"], old.scheme).examples
        from training.distil import scores

        columns = [new.scheme.ids.index(label) for label in old.scheme.ids]
        drift[protect] = abs(scores(new, examples)[:, columns] - scores(old, examples)).mean()
        assert read_json(out / "training.json")["settings"]["rehearsal_share"] == (0.0 if protect else 0.5)
    assert drift[True] < 0.7 * drift[False]


def test_what_the_base_was_trained_on_is_not_evaluated_on(continued):
    """Also when the continued run itself never read it."""
    record = read_json(continued.path / "training.json")
    record["data"] = {"elsewhere.jsonl": "0"}
    examples = load([continued.folder / "data/sentences.jsonl"], ModelDirectory.open(continued.folder / "model").scheme).examples
    found = parts(examples, record)
    assert [(part.name, len(part.examples)) for part in found] == [("sentences.jsonl (test split)", 16)]


def test_changed_or_missing_data_is_named_before_anything_runs(continued, run_cli, assert_refused, tmp_path, monkeypatch):
    folder = shutil.copytree(continued.folder, tmp_path / "copy")
    with (folder / "mine/nuclear.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"text": "Satu lagi.", "topic": []}\n')
    assert_refused(run_cli("reproduce", "runs/five", cwd=folder), "nuclear.jsonl has changed since runs/five was trained with it")
    monkeypatch.chdir(folder)
    (folder / "mine/nuclear.jsonl").unlink()
    with pytest.raises(DataError, match="nuclear.jsonl, which runs/five was trained on, is not here: give it with --data PATH"):
        reproduce(Path("runs/five"), tmp_path / "again")
    # Found elsewhere; then it is the base that is not there.
    with pytest.raises(ClassifyError, match="the base 'nowhere', which runs/five was trained from, is not here: give it with --base DIR"):
        reproduce(Path("runs/five"), tmp_path / "again", data=[continued.folder / "mine"], base="nowhere")
    (folder / "model/model.safetensors").write_bytes(b"other weights")
    with pytest.raises(DataError, match="has changed since runs/five was trained from it"):
        reproduce(Path("runs/five"), tmp_path / "again", data=[continued.folder / "mine"])
    assert not (tmp_path / "again").exists()


def test_a_run_is_repeated_from_a_base_that_was_moved(continued, tmp_path, monkeypatch):
    """Also what of the base was mixed back in."""
    base = shutil.copytree(continued.folder / "model", tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    outcome = reproduce(continued.path, tmp_path / "again", data=[continued.folder / "mine", continued.folder / "data"], base=str(base))
    assert outcome.same_weights


def test_two_files_of_one_name_are_refused(continued, settings, tmp_path):
    shutil.copytree(continued.folder / "mine", tmp_path / "other")
    data = [continued.folder / "mine/nuclear.jsonl", tmp_path / "other/nuclear.jsonl"]
    with pytest.raises(DataError, match="have the same name, by which the model's record knows them: rename one"):
        train(settings(data=data, labels=continued.folder / "mine/labels.yaml", output=tmp_path / "m"), quiet=True)


def test_only_recorded_runs_can_be_repeated(tiny_model, tmp_path):
    with pytest.raises(SettingsError, match="holds no training.json that tells how it was trained"):
        reproduce(tiny_model, tmp_path / "again")


def test_a_run_that_comes_out_otherwise_says_so():
    apart = [("validation macro-F1", 0.81, 0.80)]
    assert not Outcome(False, True, apart).agrees
    assert "validation macro-F1: 0.8100 recorded, 0.8000 now  differs" in Outcome(False, True, apart).lines()
    assert Outcome(False, False, apart).agrees
    assert not Outcome(None, False, [("validation macro-F1", 0.81, 0.70)]).agrees
    # A figure that is gone is no agreement.
    assert not Outcome(None, False, [("validation macro-F1", 0.81, float("nan"))]).agrees


def test_an_edited_record_does_not_come_out_the_same(trained_copy, labelled, real, tiny_base, tmp_path):
    path = trained_copy / "training.json"
    record = read_json(path)
    record["settings"]["epochs"] = 1
    path.write_text(json.dumps(record), encoding="utf-8")
    outcome = reproduce(trained_copy, tmp_path / "again", [labelled, real.labels], [real.pool], str(tiny_base), quiet=True)
    assert outcome.same_weights is False
    assert not outcome.agrees
    assert (tmp_path / "again/config.json").is_file()
