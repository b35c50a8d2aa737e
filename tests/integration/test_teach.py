"""Larger models answer what smaller ones learn from: every sentence is answered by one that had not seen it."""

import random
import subprocess
import sys

import numpy as np
import pytest
import yaml

from classify.labels import LabelScheme
from training.dataset import digest, parse
from training.distil import SoftLabels, key
from training.teach import answer


@pytest.fixture
def teach(root, tmp_path, tiny_base, labelled):
    """Run the command on the tiny base with two folds."""
    recipe = {"base": str(tiny_base), "output": "unused", "data": [str(labelled)], "epochs": 2, "batch_size": 16, "learning_rate": 1e-3}
    config = tmp_path / "teacher.yaml"
    config.write_text(yaml.safe_dump({**recipe, "precision": "fp32", "seed": 1}), encoding="utf-8")

    def run(output, *more):
        command = [sys.executable, "-m", "training.teach", "--config", config, "--folds", "2", "--quiet", "--output", output, *more]
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=root)

    return run


def test_every_training_sentence_and_the_pool_are_answered_and_nothing_kept_aside(tmp_path, teach, rows, write_rows, root):
    news = {
        "title": "Kapal Kargo Dihentikan di Laut Lepas",
        "text": "Kapal kargo melanggar sanksi di laut lepas.\nSuhu udara naik di kota.",
    }
    pool = write_rows(tmp_path / "news.jsonl", [news])
    result = teach(tmp_path / "soft.npz", "--unlabelled", pool)
    assert result.returncode == 0, result.stderr
    assert "all folds together: topic 0." in result.stdout
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    answers = SoftLabels.load(tmp_path / "soft.npz", scheme)
    assert not {key(parse("rows:1", row, scheme)) for row in rows[64:]} & set(answers.scores)
    assert digest("Kapal kargo melanggar sanksi di laut lepas.\nKapal Kargo Dihentikan di Laut Lepas")[:16] in answers.scores
    assert result.stdout.rstrip().endswith(f"soft.npz: {len(answers.scores)} sentences")
    # Some of the 64 are kept aside for validation; the title and two sentences are asked about.
    assert 35 < len(answers.scores) - 3 < 64
    # Nothing is left of the folds.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["news.jsonl", "soft.npz", "teacher.yaml"]


def test_folds_made_one_by_one_give_the_same_file(tmp_path, teach):
    assert teach(tmp_path / "whole.npz").returncode == 0
    for fold in ("1", "0"):
        result = teach(tmp_path / "parts.npz", "--fold", fold)
        assert result.returncode == 0, result.stderr
        assert not (tmp_path / "parts.npz").exists()
    done = teach(tmp_path / "parts.npz")
    assert done.returncode == 0, done.stderr
    # Both were there already.
    assert "fold 1 of 2" not in done.stdout
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "parts.npz") as parts:
        assert whole["keys"].tolist() == parts["keys"].tolist()
        np.testing.assert_array_equal(whole["scores"], parts["scores"])


def test_labels_learnt_by_heart_are_not_repeated_about_sentences_not_seen(tmp_path, settings, rows, root):
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    source = random.Random(5)
    # Labels by lot: only memory can know them.
    lot = [{**row, "topic": ["satellite_tech"] * source.randrange(2), "stance": []} for row in rows[:60]]
    examples = [parse("rows:1", row, scheme) for row in lot]
    recipe = settings(data=[tmp_path], output=tmp_path / "x", epochs=60)
    column = scheme.ids.index("satellite_tech")
    wanted = np.asarray([bool(row["topic"]) for row in lot])

    def right(learned, asked):
        scores = answer(recipe, scheme, [examples[i] for i in learned], [examples[i] for i in asked], tmp_path / "run", quiet=True)
        return np.mean((scores[:, column] > 0.5) == wanted[asked])

    half, other = list(range(30)), list(range(30, 60))
    assert right(half, half) > 0.9
    assert right(half, other) < 0.75


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--fold", "2"), "error: --folds must be at least 2 and --fold below it, not 2 and 2"),
        (("--data", "nowhere.jsonl"), "error: there is no data file or folder at nowhere.jsonl"),
        (("--config", "nowhere.yaml"), "error: cannot read the settings file nowhere.yaml: No such file or directory"),
    ],
)
def test_mistakes_get_one_sentence(tmp_path, teach, more, message):
    result = teach(tmp_path / "soft.npz", *more)
    assert result.returncode == 2
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "soft.npz").exists()


def test_answers_of_an_earlier_command_about_other_sentences_are_not_mixed_in(tmp_path, teach, rows, write_rows):
    assert teach(tmp_path / "soft.npz", "--fold", "0").returncode == 0
    fewer = write_rows(tmp_path / "fewer.jsonl", rows[:50])
    result = teach(tmp_path / "soft.npz", "--data", fewer)
    assert result.returncode == 2
    assert "is about other sentences, from an earlier command: remove it" in result.stderr
