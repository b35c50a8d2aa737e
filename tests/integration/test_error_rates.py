"""The mistakes that travel with a model, as `classify train` counts them; test_evaluate has `classify evaluate --error-rates`."""

import json

from classify.rates import FILE, ErrorRates


def test_training_counts_mistakes_on_real_sentences_kept_aside(trained, real):
    rates = ErrorRates.load(trained.path)
    # The labels file's development half; written sentences were kept aside too, but are no news.
    assert rates.source == "real_labels.jsonl (development split)"
    assert not rates.validation
    assert rates.sentences == sum(row["split"] == "development" for row in real.rows)
    assert rates.weights == json.loads((trained.path / "training.json").read_text(encoding="utf-8"))["weights"]["sha256"]
    assert set(rates.profiles) == {"balanced", "precise"}


def test_without_sentences_kept_aside_those_for_thresholds_are_used_and_said_so(tmp_path, settings, write_rows, rows):
    from training.finetune import train

    data = write_rows(
        tmp_path / "plain.jsonl", [{key: row[key] for key in ("id", "text", "topic", "stance", "group")} for row in rows[:64]]
    )
    train(settings(output=tmp_path / "model", data=[data], epochs=1), quiet=True)
    rates = ErrorRates.load(tmp_path / "model")
    assert rates.validation
    assert 0 < rates.sentences < 32


def test_without_any_there_is_no_file(tmp_path, settings, write_rows, rows):
    from training.finetune import train

    data = write_rows(
        tmp_path / "plain.jsonl", [{key: row[key] for key in ("id", "text", "topic", "stance", "group")} for row in rows[:64]]
    )
    train(settings(output=tmp_path / "model", data=[data], epochs=1, validation=0.0), quiet=True)
    assert not (tmp_path / "model" / FILE).exists()
