import numpy as np
import pytest

from classify.decisions import Decisions
from classify.errors import SettingsError
from classify.labels import LabelScheme
from classify.predict import Options
from classify.suggest import STRATEGIES, Candidate, Counts, Pool, candidates, choose, entropy, least_confidence, margin, suggestions
from classify.tasks import Labelled

SCHEME = LabelScheme.from_ids(["a", "b", "c"])
WORDS = ["kapal", "peluru", "sanksi", "Moskow", "Kim", "beras", "hujan", "satelit", "roket", "bank", "duta", "perang", "utusan"]


def pool_of(scores, scheme=SCHEME, thresholds=None, texts=None):
    scores = np.asarray(scores, dtype=np.float64)
    rng = np.random.default_rng(0)
    texts = texts or [f"Kalimat {i}: " + " ".join(rng.choice(WORDS, 9)) for i in range(len(scores))]
    made = [Candidate("x.txt", 10 * i, text, "", "x.txt") for i, text in enumerate(texts)]
    return Pool(made, scores, scheme, Decisions(thresholds or {}))


def chosen(pool, count, strategy, labelled=None, seed=13):
    return list(choose(pool, count, strategy, labelled or Labelled(), seed).chosen)


def test_uncertainty_is_greatest_at_the_threshold():
    pool = pool_of([[0.5, 0.1, 0.1], [0.3, 0.1, 0.1], [0.7, 0.1, 0.1], [0.9, 0.1, 0.1]], thresholds={"a": 0.3})
    for measure in (least_confidence, margin, entropy):
        assert measure(pool).argmax() == 1
        assert (np.diff(measure(pool)[1:]) < 0).all()
    assert choose(pool, 1, "margin", Labelled()).chosen == {1: "uncertain: a 0.30"}


def test_measures_of_the_whole_answer_differ_as_they_are_defined():
    # One doubtful label, or three that are a little doubtful each.
    pool = pool_of([[0.6, 0.01, 0.01], [0.25, 0.25, 0.25]])
    assert least_confidence(pool) == pytest.approx([1 - 0.6 * 0.99**2, 1 - 0.75**3])
    first = 0.6 * 0.99**2
    assert margin(pool) == pytest.approx([1 - first * (1 - 0.4 / 0.6), 1 - 0.75**3 * (1 - 0.25 / 0.75)])
    assert entropy(pool)[1] == pytest.approx(-3 * (0.25 * np.log(0.25) + 0.75 * np.log(0.75)))
    assert margin(pool).argmax() == 0
    assert entropy(pool).argmax() == least_confidence(pool).argmax() == 1


def test_an_exclusive_group_is_one_answer():
    scheme = LabelScheme.from_ids(["calm", "even", "angry"], exclusive=True)
    pool = pool_of([[0.9, 0.05, 0.05], [0.45, 0.1, 0.45], [0.6, 0.3, 0.1]], scheme)
    assert least_confidence(pool) == pytest.approx([0.1, 0.55, 0.4])
    assert entropy(pool)[0] == pytest.approx(-(0.9 * np.log(0.9) + 2 * 0.05 * np.log(0.05)))
    assert choose(pool, 1, "entropy", Labelled()).chosen == {1: "uncertain: calm 0.45 or angry 0.45"}
    assert all(len(chosen(pool, 3, name)) == 3 for name in STRATEGIES)


def test_rare_gives_every_label_its_turn_and_knows_what_is_labelled():
    scores = np.full((60, 3), 0.02)
    scores[:40, 0] = 0.95
    scores[40:45, 1] = 0.5
    scores[45:48, 2] = 0.3
    pool = pool_of(scores)
    first = chosen(pool, 9, "rare")
    assert {0, 40, 45} <= set(first)
    assert sum(i < 40 for i in first) <= 4
    known = chosen(pool, 8, "rare", Labelled(positives={"a": 500, "b": 0, "c": 0}))
    assert set(known) == set(range(40, 48))
    assert choose(pool, 1, "rare", Labelled(positives={"a": 500, "b": 500, "c": 0})).chosen == {45: "rare: c 0.30"}


def test_core_set_goes_away_from_what_is_there():
    texts = [f"Harga beras di pasar {kota} naik sejak pekan lalu" for kota in ("Bogor", "Depok")]
    texts += ["Satelit pengintai gagal mengorbit", "Kapal kargo memuat peluru artileri"]
    pool = pool_of(np.full((4, 3), 0.1), texts=texts)
    labelled = Labelled(texts=["Satelit pengintai baru mengorbit kemarin", "Kapal kargo lain memuat peluru kendali"])
    assert chosen(pool, 1, "core_set", labelled)[0] in (0, 1)
    assert set(chosen(pool, 3, "core_set")) >= {2, 3}


def test_badge_passes_over_what_the_model_is_sure_of():
    scores = np.full((200, 3), 1e-4)
    scores[:20] = 0.5
    assert sorted(chosen(pool_of(scores), 20, "badge")) == list(range(20))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_near_copies_are_never_both_chosen_nor_one_of_a_labelled_sentence(strategy):
    from training.splits import near_duplicates

    rng = np.random.default_rng(1)
    base = [" ".join(rng.choice(WORDS, 10)) for _ in range(40)]
    texts = [text + tail for text in base for tail in (".", " kemarin.", " pada Rabu.")]
    pool = pool_of(rng.random((len(texts), 3)), texts=texts)
    labelled = Labelled(texts=[f"Menurut laporan, {text}" for text in base[:5]])
    picked = [texts[i] for i in chosen(pool, 100, strategy, labelled)]
    assert 25 <= len(picked) <= 35
    assert near_duplicates([*labelled.texts, *picked]) == near_duplicates(labelled.texts)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_seed_decides(strategy):
    rng = np.random.default_rng(2)
    scores = rng.random((300, 3)) ** 4
    one, again, other = (choose(pool_of(scores), 40, strategy, Labelled(), seed) for seed in (5, 5, 6))
    assert one.chosen == again.chosen
    assert list(one.chosen.items()) == list(again.chosen.items())
    assert len(one.chosen) == 40
    if strategy in ("hybrid", "badge", "random"):
        assert set(one.chosen) != set(other.chosen)


def test_the_hybrid_has_some_of_each_from_the_beginning():
    rng = np.random.default_rng(3)
    reasons = list(choose(pool_of(rng.random((500, 3)) ** 6), 40, "hybrid", Labelled()).chosen.values())
    for some in (reasons[:8], reasons):
        kinds = {why.partition(":")[0] for why in some}
        assert kinds == {"uncertain", "rare", "at random"}


def test_a_strategy_is_known_or_refused():
    with pytest.raises(SettingsError, match="unknown strategy 'best': choose one of hybrid"):
        choose(pool_of([[0.1, 0.2, 0.3]]), 1, "best", Labelled())


def test_suggestions_carry_the_answers_by_threshold():
    pool = pool_of([[0.35, 0.45, 0.1]], thresholds={"a": 0.3})
    (one,) = suggestions(choose(pool, 5, "random", Labelled()))
    assert one.labels == {"label": ["a"]}
    assert one.scores == {"a": 0.35, "b": 0.45, "c": 0.1}
    assert one.why == "at random"


def test_what_cannot_be_chosen_is_counted(tmp_path):
    from classify.copies import digest

    text = "Home > Dunia\nKremlin membantah tuduhan itu.\nKremlin membantah tuduhan  itu.\nSiapa?\nPutin tiba di Hanoi.\nKim pulang ke Pyongyang.\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    counts, errors = Counts(), []
    labelled = Labelled({digest("Putin tiba di Hanoi.")})
    paths = [str(tmp_path / "a.txt"), str(tmp_path / "gone.txt")]
    found = list(candidates(paths, Options(), labelled, counts, errors.append))
    assert [(one.text, one.context) for one in found] == [
        ("Kremlin membantah tuduhan itu.", ""),
        ("Kim pulang ke Pyongyang.", "Putin tiba di Hanoi."),
    ]
    assert counts == Counts(read=6, furniture=1, length=1, labelled=1, repeated=1)
    assert [text[one.start :].startswith(one.text) for one in found] == [True, True]
    assert len(errors) == 1
    assert "1 already labelled, 1 repeated" in str(counts)
