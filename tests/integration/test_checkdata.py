import re

import pytest

from classify.errors import DataError
from classify.labels import LabelScheme
from training.checkdata import Finding, agreement, check
from training.dataset import Example, Pool

SPLITS = ("train", "test", "validation")
COPY = "Dewan Keamanan PBB memperpanjang sanksi terhadap perusahaan dagang Korea Utara pada Rabu malam."


@pytest.fixture(scope="module")
def scheme(root):
    return LabelScheme.load(root / "configs/labels.yaml")


def row(number, text, topic=(), stance=(), **more):
    return {"id": f"x{number}", "text": text, "topic": list(topic), "stance": list(stance), **more}


def found(path, scheme, pool=None):
    """Per line of the file the messages, errors marked with `!`."""
    report = check([path], scheme, pool)
    messages = {}
    for finding in report.findings:
        line = finding.where.removeprefix(f"{path}:") if finding.where.startswith(f"{path}:") else finding.where
        messages.setdefault(line, []).append("!" * finding.error + finding.message)
    return messages


def test_sound_data_has_no_errors(labelled, run_cli):
    result = run_cli("check-data", labelled)
    assert result.returncode == 0, result.stdout
    assert "error:" not in result.stdout
    assert re.search(r"^0 errors, \d+ warnings$", result.stdout, re.MULTILINE)


def test_table_counts_labels_a_split(labelled, rows, run_cli):
    lines = {line.split()[0]: line.split()[1:] for line in run_cli("check-data", labelled).stdout.splitlines() if line.strip()}
    assert lines["label"] == ["test", "train"]
    for label, group in (("sanctions", "topic"), ("dprk_denial", "stance")):
        expected = [sum(label in one[group] for one in part) for part in (rows[64:], rows[:64])]
        assert lines[label] == [str(count) for count in expected]
    none = [sum(not one["topic"] + one["stance"] for one in part) for part in (rows[64:], rows[:64])]
    assert lines["(none)"] == [str(count) for count in none]
    assert lines["(all)"] == ["16", "64"]


BROKEN = [
    ('{"text": ', "not a JSON object"),
    ("[]", "not a JSON object (but list)"),
    ('{"id": "a", "topic": []}', '"text" is missing'),
    (
        '{"id": "b", "text": "x", "topic": ["sanction"]}',
        "unknown topic label 'sanction'; the labels are: arms_transfer, sanctions,",
    ),
    ('{"id": "c", "text": "x", "topic": 3}', '"topic" must be a list of label ids'),
    ('{"id": "d", "text": "x"}', "none of the groups topic, stance is given"),
    ('{"id": "e", "text": "x", "topic": [], "split": "dev"}', "unknown split 'dev'; the splits are: train, validation,"),
]


def test_every_unusable_line_is_named_not_only_the_first(tmp_path, run_cli):
    path = tmp_path / "broken.jsonl"
    path.write_text("".join(line + "\n" for line, _ in BROKEN), encoding="utf-8")
    result = run_cli("check-data", path)
    assert result.returncode == 1
    errors = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    assert len(errors) == len(BROKEN)
    for number, (error, (_, message)) in enumerate(zip(errors, BROKEN, strict=True), 1):
        assert error.startswith(f"error: {path}:{number}: {message}")
    assert f"{len(BROKEN)} errors, " in result.stdout
    assert result.stderr == ""


def test_another_encoding_is_an_error_and_other_files_are_still_read(tmp_path, scheme, write_rows):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "caf\xe9", "topic": []}\n')
    write_rows(tmp_path / "b.jsonl", [row(1, "Baik."), row(1, "Kembar.")])
    report = check([tmp_path], scheme)
    errors = [str(finding) for finding in report.findings if finding.error]
    assert errors == [
        f"error: {tmp_path / 'a.jsonl'} is not UTF-8 text: convert it",
        f"error: {tmp_path / 'b.jsonl'}:2: the id 'x1' was used at {tmp_path / 'b.jsonl'}:1 already",
    ]


def test_same_id_in_two_files_is_no_error(tmp_path, scheme, write_rows):
    write_rows(tmp_path / "a.jsonl", [row(1, "Satu kalimat pendek.")])
    write_rows(tmp_path / "b.jsonl", [row(1, "Kalimat lain sama sekali.")])
    assert not check([tmp_path], scheme).failed


def test_same_text_with_other_labels_is_an_error(tmp_path, scheme, write_rows):
    path = write_rows(tmp_path / "d.jsonl", [row(1, COPY, ["sanctions"]), row(2, "Lain."), row(3, COPY.upper() + " ", ["diplomacy"])])
    assert found(path, scheme)["3"] == [f"!same text as {path}:1 but topic is diplomacy here and sanctions there"]
    path = write_rows(tmp_path / "e.jsonl", [row(1, COPY, [], ["dprk_denial"]), row(2, COPY, [], [])])
    assert found(path, scheme)["2"] == [f"!same text as {path}:1 but stance is no label here and dprk_denial there"]


def test_same_text_after_another_sentence_may_mean_something_else(tmp_path, scheme, write_rows):
    rows = [row(1, COPY, ["sanctions"], context="Satu."), row(2, COPY, ["diplomacy"], context="Dua.")]
    assert "2" not in found(write_rows(tmp_path / "d.jsonl", rows), scheme)


def test_same_text_in_two_groups_of_labels_is_no_conflict(tmp_path, scheme, write_rows):
    rows = [{"id": 1, "text": COPY, "topic": ["sanctions"]}, {"id": 2, "text": COPY, "stance": []}]
    path = write_rows(tmp_path / "d.jsonl", rows)
    assert not check([path], scheme).failed


def test_same_text_twice_is_a_warning(tmp_path, scheme, write_rows):
    path = write_rows(tmp_path / "d.jsonl", [row(1, COPY, ["sanctions"]), row(2, COPY, ["sanctions"])])
    assert found(path, scheme)["2"] == [f"same text as {path}:1: keep one"]
    assert not check([path], scheme).failed


@pytest.mark.parametrize("held", ["test", "development"])
def test_near_copies_on_both_sides_are_an_error_unless_one_group(tmp_path, scheme, write_rows, held):
    near = COPY.replace("Rabu malam", "Kamis pagi")
    path = write_rows(tmp_path / "d.jsonl", [row(1, COPY, ["sanctions"]), row(2, near, ["sanctions"], split=held)])
    assert found(path, scheme)["2"] == [f"!nearly the same as {path}:1, which is in another split: give both one 'group'"]
    together = [row(1, COPY, ["sanctions"], group="g"), row(2, near, ["sanctions"], group="g", split=held)]
    assert "2" not in found(write_rows(tmp_path / "e.jsonl", together), scheme)
    same_side = [row(1, COPY, ["sanctions"], split="train"), row(2, near, ["sanctions"])]
    assert "2" not in found(write_rows(tmp_path / "f.jsonl", same_side), scheme)


@pytest.mark.parametrize("text", [COPY, COPY.replace("Rabu malam", "Kamis pagi")])
@pytest.mark.parametrize(("one", "other"), [("", "validation"), ("train", "validation"), ("validation", "test"), ("development", "test")])
def test_copies_in_any_two_splits_are_an_error(tmp_path, scheme, write_rows, text, one, other):
    path = write_rows(tmp_path / "d.jsonl", [row(1, COPY, ["sanctions"], split=one), row(2, text, ["sanctions"], split=other)])
    assert f"!nearly the same as {path}:1, which is in another split: give both one 'group'" in found(path, scheme)["2"]


def test_ids_that_begin_anew_in_every_file_are_no_group(tmp_path, scheme, write_rows):
    files = [write_rows(tmp_path / f"{split}.jsonl", [row(1, f"Kalimat dari {split}.", split=split)]) for split in ("train", "test")]
    assert not [one for one in check(files, scheme).findings if one.error]


def test_a_group_in_two_splits_is_one_error(tmp_path, scheme, write_rows):
    rows = [row(i, f"Kalimat {i} soal {i * 7} lalu {i * 31}", group="g", split=split) for i, split in enumerate(SPLITS)]
    path = write_rows(tmp_path / "d.jsonl", [row(9, "Tanpa bagian.", group="g"), *rows])
    assert [str(one) for one in check([path], scheme).findings if one.error] == [
        f"error: {path}:3: the group 'g' is in test here and in train at {path}:2: keep it in one split"
    ]


def test_label_shares_of_every_split_are_compared_with_training(tmp_path, scheme, write_rows):
    rows = [row(i, f"Kalimat {i} tentang hal {i * 7} saja {i * 31}", ["sanctions"] if i < 5 else []) for i in range(100)]
    rows += [row(100 + i, f"Contoh {i} soal {i * 11} lalu {i * 17}", ["sanctions"], split="validation") for i in range(40)]
    rows += [row(200 + i, f"Uji {i} perihal {i * 13} kini {i * 19}", ["sanctions"] * (i < 3), split="test") for i in range(40)]
    shares = [one for one in found(write_rows(tmp_path / "d.jsonl", rows), scheme)["all files"] if one.startswith("'sanctions' is on")]
    assert shares == ["'sanctions' is on 5.9% of training but 100.0% of validation sentences"]


@pytest.mark.parametrize("name", ["e.csv", "e.jsonl"])
def test_an_empty_file_is_an_error_and_other_files_are_still_read(tmp_path, run_cli, labelled, name):
    (tmp_path / name).write_text("\n")
    result = run_cli("check-data", tmp_path / name, labelled)
    assert result.returncode == 1
    assert f"error: {tmp_path / name} is empty\n" in result.stdout
    assert re.search(r"^\(all\) +16 +64$", result.stdout, re.MULTILINE)


def test_very_long_sentence_is_a_warning(tmp_path, scheme, write_rows):
    path = write_rows(tmp_path / "d.jsonl", [row(1, "kata " * 120), row(2, "kata " * 121)])
    messages = found(path, scheme)
    assert "1" not in messages
    assert any("121 words are hardly one sentence (over 120): split it" in message for message in messages["2"])
    path = write_rows(tmp_path / "e.jsonl", [row(1, "rudal" * 400), row(2, "rudal" * 400 + "!")])
    messages = found(path, scheme)
    assert "1" not in messages
    assert messages["2"] == ["2,001 characters are hardly one sentence (over 2,000): split it"]


def test_rare_unmeasurable_and_uneven_labels_are_warnings(tmp_path, scheme, write_rows):
    rows = [row(i, f"Kalimat nomor {i} tentang hal {i * 7} saja {i * 31}", ["sanctions"] if i < 25 else []) for i in range(100)]
    rows += [row(100 + i, f"Contoh {i} soal {i * 11} lalu {i * 17}", ["sanctions", "diplomacy"], split="test") for i in range(20)]
    path = write_rows(tmp_path / "d.jsonl", rows)
    report = check([path], scheme)
    messages = found(path, scheme)["all files"]
    assert "'arms_transfer' has 0 training sentences, too few to learn" in messages
    assert "'diplomacy' has 0 training sentences, too few to learn" in messages
    assert "'arms_transfer' has no held-out sentence: it cannot be measured" in messages
    assert not any("'sanctions' has" in message for message in messages)
    assert any(re.fullmatch(r"'diplomacy' is on 1\.0% of training but 100\.0% of test sentences", one) for one in messages)
    assert not report.failed


def test_labels_without_text_are_joined_and_checked(real, run_cli):
    result = run_cli("check-data", real.labels, "--pool", real.pool)
    assert result.returncode == 0, result.stdout
    assert "1 labels of real sentences not checked: give the articles with --pool" in result.stdout
    assert re.search(r"^\(all\) +12 +12$", result.stdout, re.MULTILINE)
    alone = run_cli("check-data", real.labels)
    assert alone.returncode == 0
    assert "25 labels of real sentences not checked" in alone.stdout


def test_label_of_another_text_is_an_error(tmp_path, real, scheme, write_rows):
    rows = [real.rows[0], {**real.rows[1], "start": real.rows[1]["start"] + 3}, {"sha256": "0" * 64, "topic": []}]
    path = write_rows(tmp_path / "d.jsonl", rows)
    messages = found(path, scheme, Pool([real.pool]))
    assert messages["2"] == [f"!the article {rows[1]['article']} in the pool differs from the labelled one at {rows[1]['start']}"]
    assert messages["3"] == ["!a row without text needs 'article'"]


def test_own_scheme(tmp_path, write_rows, run_cli):
    labels = tmp_path / "labels.yaml"
    labels.write_text("groups:\n- {id: nada, exclusive: true, labels: [resah, senang]}\n", encoding="utf-8")
    path = write_rows(tmp_path / "d.jsonl", [{"text": "a b c", "nada": ["resah"]}, {"text": "d e f", "nada": ["resah", "senang"]}])
    result = run_cli("check-data", path, "--labels", labels)
    assert result.returncode == 1
    assert f'{path}:2: "nada" is exclusive and needs exactly one label' in result.stdout


def test_nothing_to_check_is_a_users_mistake(tmp_path, run_cli, assert_refused):
    assert_refused(run_cli("check-data", tmp_path / "absent.jsonl"), "absent.jsonl")
    with pytest.raises(DataError, match="holds no .jsonl, .* or .xlsx files"):
        check([tmp_path], LabelScheme.from_ids(["a"]))


def test_findings_read_as_one_line():
    assert str(Finding(True, "a.jsonl:3", "wrong")) == "error: a.jsonl:3: wrong"
    assert str(Finding(False, "all files", "rare")) == "warning: all files: rare"


def test_agreement_of_two_readers(tmp_path, run_cli, write_rows):
    scheme = LabelScheme.from_ids(["a", "b", "c"])

    def read(number, labels, disputed=(), twice=True):
        return Example(str(number), "x", "", {"label": labels}, "g", disputed=disputed, read_twice=twice)

    examples = [read(i, ("a",) if i % 2 else ()) for i in range(20)]
    examples += [read(20 + i, ("b",), ("b",)) for i in range(4)] + [read(30, ("a", "c"), twice=False)]
    result = agreement(examples, scheme)
    assert result["a"] == (20, 1.0)
    # Given by one reader each time: worse than chance.
    assert result["b"][0] == 4
    assert result["b"][1] < 0
    assert result["c"][0] == 0
    assert result["c"][1] != result["c"][1]
    rows = [row(i, f"Kalimat {i} {i * 3} {i * 7}", ["sanctions"] if i % 2 else [], annotation="agreed") for i in range(10)]
    shown = run_cli("check-data", write_rows(tmp_path / "d.jsonl", rows), "--agreement").stdout
    assert re.search(r"^two readers +given +alpha +\(10 sentences\)$", shown, re.MULTILINE)
    assert re.search(r"^sanctions +10 +1\.000$", shown, re.MULTILINE)
