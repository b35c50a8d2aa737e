import random
from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from training.dataset import Example
from training.splits import assign, clusters, folds, near_duplicates

WORDS = [f"kata{i}" for i in range(4000)]


def text(key: object, length: int = 12) -> str:
    """A sentence of its own for every key: two share no three words in a row but by rare chance."""
    return " ".join(random.Random(str(key)).choices(WORDS, k=length))


def example(key: str, group: str = "", split: str = "", words: str = "") -> Example:
    return Example(key, words or text(key), "", {"topic": ()}, group or key, split=split)


def singles(count: int) -> list[Example]:
    return [example(f"s{i}") for i in range(count)]


def test_copies_with_small_changes_are_near_duplicates():
    first = "Dewan Keamanan PBB memperpanjang sanksi terhadap perusahaan dagang Korea Utara pada Rabu"
    texts = [
        first,
        "dewan keamanan PBB, memperpanjang sanksi terhadap perusahaan dagang Korea Utara pada KAMIS!",
        "Hari ini " + first + " malam di New York",
        "Dewan Keamanan PBB menolak usul Moskow untuk mencabut sanksi terhadap Korea Utara",
        "Hujan lebat turun",
        "hujan lebat turun.",
    ]
    assert near_duplicates(texts) == [(0, 1), (0, 2), (1, 2), (4, 5)]


def test_texts_of_one_or_two_words():
    assert near_duplicates(["Internasional", "internasional", "Dunia", "Kim Jong", "Kim Jong"]) == [(0, 1), (3, 4)]


def test_very_many_copies_are_still_copies():
    copied = text("copied")
    pairs = near_duplicates([copied] * 80 + [text(i) for i in range(20)])
    assert {i for pair in pairs for i in pair} == set(range(80))
    examples = [example(f"c{i}", words=copied) for i in range(80)] + singles(20)
    assert len(set(clusters(examples)[:80])) == 1


@st.composite
def corpora(draw):
    """Sentences in groups, some of them copies or near-copies of others, some with a split fixed."""
    count = draw(st.integers(1, 60))
    examples: list[Example] = []
    for i in range(count):
        group = f"g{draw(st.integers(0, 25))}"
        kind = draw(st.sampled_from(["own", "own", "own", "copy", "near"]))
        words = text(i)
        if examples and kind != "own":
            words = examples[draw(st.integers(0, len(examples) - 1))].text + (" tambahan" if kind == "near" else "")
        split = draw(st.sampled_from(["", "", "", "", "train", "validation", "test", "development"]))
        examples.append(example(str(i), group, split, words))
    return examples


@settings(max_examples=80, deadline=None)
@given(examples=corpora(), seed=st.integers(0, 50), validation=st.sampled_from([0.0, 0.1, 0.4]), test=st.sampled_from([0.0, 0.2]))
def test_no_group_or_near_duplicate_on_two_sides(examples, seed, validation, test):
    sides = assign(examples, validation, test, seed)
    numbers = folds(examples, 3, seed)
    together = {(i, j) for i in range(len(examples)) for j in range(i) if examples[i].group == examples[j].group}
    together |= set(near_duplicates([one.text for one in examples]))
    for i, j in together:
        assert sides[i] == sides[j]
        assert numbers[i] == numbers[j]
    assert all(0 <= number < 3 for number in numbers)


@settings(max_examples=80, deadline=None)
@given(examples=corpora(), seed=st.integers(0, 50), data=st.data())
def test_added_data_never_moves_old_data_unless_clusters_join(examples, seed, data):
    cut = data.draw(st.integers(0, len(examples)))
    before = assign(examples[:cut], 0.2, 0.2, seed)
    after = assign(examples, 0.2, 0.2, seed)
    named_before, named_after = clusters(examples[:cut]), clusters(examples)
    members = Counter(named_after)
    for i in range(cut):
        if members[named_after[i]] == Counter(named_before)[named_before[i]]:
            assert after[i] == before[i]
            assert folds(examples, 5, seed)[i] == folds(examples[:cut], 5, seed)[i]


@settings(max_examples=50, deadline=None)
@given(examples=corpora(), seed=st.integers(0, 50))
def test_fixed_held_out_rows_stay_and_take_their_cluster_along(examples, seed):
    rank = ["", "train", "validation", "test", "development"]
    sides = assign(examples, 0.1, 0.1, seed)
    names = clusters(examples)
    for name in set(names):
        fixed = max((one.split for one, its in zip(examples, names, strict=True) if its == name), key=rank.index)
        here = {side for side, its in zip(sides, names, strict=True) if its == name}
        if fixed in ("validation", "test", "development"):
            assert here == {fixed}
        elif fixed == "train":
            assert here <= {"train", "validation"}


def test_shares_are_about_those_asked_for():
    examples = singles(3000)
    counts = Counter(assign(examples, 0.1, 0.2, seed=13))
    assert 0.17 < counts["test"] / 3000 < 0.23
    assert 0.08 < counts["validation"] / 3000 < 0.12
    assert assign(examples, 0.1, 0.2, seed=13) == assign(examples, 0.1, 0.2, seed=13)
    assert assign(examples, 0.1, 0.2, seed=13) != assign(examples, 0.1, 0.2, seed=14)
    assert set(assign(examples, 0.0, 0.0, seed=13)) == {"train"}


def test_without_a_validation_share_nothing_is_validated_on():
    examples = [example(f"s{i}", split="train") for i in range(300)]
    assert set(assign(examples, 0.0, 0.2, seed=13)) == {"train"}
    assert set(assign(examples, 0.2, 0.1, seed=13)) == {"train", "validation"}


def test_folds_of_what_is_left_are_even():
    examples = singles(3000)
    left = [one for one, side in zip(examples, assign(examples, 0.1, 0.2, seed=13), strict=True) if side != "test"]
    counts = Counter(folds(left, 5, seed=13))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert max(counts.values()) < 1.25 * min(counts.values())


def test_chains_of_copies_join():
    texts = [text("a", 10)]
    for i in range(4):
        texts.append(" ".join(texts[-1].split()[3:]) + " " + text(f"tail{i}", 3))
    chain = [example(f"z{i}", words=words) for i, words in enumerate(texts)]
    assert {(i, i + 1) for i, _ in enumerate(texts[:-1])} <= set(near_duplicates(texts))
    assert set(clusters(chain)) == {"z0"}
    assert all(one == other for one, other in pairwise(assign(chain, 0.3, 0.3, 1)))
