"""Accusations and what answers them: by the scheme's word, about the same thing, no earlier where another article answers."""

import pytest

from classify.documents import Meta
from classify.errors import LabelsError
from classify.exchange import Share, by_outlet, content_words, exchanges, pairs_known
from classify.labels import LabelScheme
from classify.writers import Row

SCHEME = LabelScheme.from_dict(
    {
        "groups": [
            {"id": "topic", "labels": ["war", "trade"]},
            {"id": "view", "labels": ["charge", "praise", {"id": "reply", "answers": ["charge"]}]},
        ]
    }
)
CHARGE = "Seoul menuding kapal itu mengangkut meriam ke pelabuhan."
REPLY = "Semua itu karangan belaka."


class Article:
    """Rows of one document, each sentence on a line of its own unless `paragraph` goes on."""

    def __init__(self, name="a", date="", outlet=""):
        self.name, self.meta, self.rows, self.at, self.line = name, Meta("", date, outlet), [], 0, 0

    def add(self, text, *views, topic=(), same=False):
        self.line = self.line if same else self.at
        labels = {"topic": list(topic), "view": list(views)}
        scores = dict.fromkeys([*topic, *views], 0.75)
        self.rows.append(
            Row(self.name, len(self.rows), self.at, self.at + len(text), text, labels, scores, meta=self.meta, paragraph=self.line)
        )
        self.at += len(text) + 1
        return self

    def skip(self, count):
        for i in range(count):
            self.add(f"Hujan turun lagi di kota nomor {i}.")
        return self


def paired(*articles, scheme=SCHEME, **more):
    found = exchanges([row for article in articles for row in article.rows], scheme, **more)
    return [(one.accusation.text, [row.text for row in one.answers], one.same_document) for one in found]


def test_an_answer_right_after_it_needs_nothing_in_common():
    assert paired(Article().add(CHARGE, "charge").skip(2).add(REPLY, "reply")) == [(CHARGE, [REPLY], True)]
    assert paired(Article().add(CHARGE, "charge").skip(3).add(REPLY, "reply")) == [(CHARGE, [], False)]
    assert paired(Article().add(REPLY, "reply").add(CHARGE, "charge")) == [(CHARGE, [], False)]
    assert paired(Article().add(CHARGE, "praise").add(REPLY, "reply")) == []


def test_topics_decide_at_any_distance():
    far = Article().add(CHARGE, "charge", topic=["war"]).skip(9)
    assert paired(far.add(REPLY, "reply", topic=["war", "trade"])) == [(CHARGE, [REPLY], True)]
    near = Article().add(CHARGE, "charge", topic=["war"])
    assert paired(near.add(REPLY, "reply", topic=["trade"])) == [(CHARGE, [], False)]
    before = Article().add(REPLY, "reply", topic=["war"]).skip(9)
    assert paired(before.add(CHARGE, "charge", topic=["war"])) == [(CHARGE, [REPLY], True)]


def test_content_words_of_one_root_are_one():
    assert content_words("mengirim meriam") == content_words("Pengiriman meriam") == content_words("kiriman meriam-meriam dikirim")
    # Names, verbs of reporting and little words tell nothing of what it is about.
    assert content_words("Korea Utara menuduh bahwa Rusia yang mengatakan itu pada 2023") == frozenset()
    reply = "Mustahil ada pengangkutan meriam, ujar kapten."
    assert paired(Article().add(CHARGE, "charge").skip(9).add(reply, "reply")) == [(CHARGE, [reply], True)]
    one = "Mustahil ada meriam, ujar kapten."
    assert paired(Article().add(CHARGE, "charge").skip(9).add(one, "reply")) == [(CHARGE, [], False)]


def test_a_sentence_that_holds_both_answers_itself():
    both = "Tudingan itu dibantah."
    assert paired(Article().add(both, "charge", "reply")) == [(both, [both], True)]


def test_accusing_sentences_of_a_paragraph_are_one_accusation():
    second = "Muatannya ribuan peluru."
    article = Article().add(CHARGE, "charge", topic=["war"]).add(second, "charge", same=True).add("Tiga.", "charge")
    found = exchanges(article.rows, SCHEME)
    assert [one.accusation.text for one in found] == [f"{CHARGE} {second}", "Tiga."]
    merged = found[0].accusation
    assert merged.end - merged.start == len(merged.text)
    assert merged.labels == {"topic": ["war"], "view": ["charge"]}
    # One that is an answer as well stands alone.
    both = Article().add(CHARGE, "charge").add("Dua.", "charge", "reply", same=True)
    assert paired(both) == [(CHARGE, ["Dua."], True), ("Dua.", ["Dua."], True)]


def test_a_repeated_headline_counts_once():
    assert paired(Article().add(CHARGE, "charge").add(CHARGE.upper(), "charge")) == [(CHARGE, [], False)]
    assert len(paired(Article("a").add(CHARGE, "charge"), Article("b").add(CHARGE, "charge"))) == 2


@pytest.mark.parametrize(
    ("dates", "answered"),
    [
        (("2024-03-01", "2024-03-01"), True),
        (("2024-03-01", "2024-03-15"), True),
        (("2024-03-01", "2024-03-16"), False),
        (("2024-03-01", "2024-02-29"), False),
        (("2024-03-01", "2024-03"), False),
        (("2024-03-01", ""), False),
        (("", "2024-03-01"), False),
    ],
)
def test_another_article_answers_when_it_is_no_earlier_and_not_too_late(dates, answered):
    asked = Article("a", dates[0]).add(CHARGE, "charge", topic=["war"])
    reply = "Mustahil ada meriam, ujar kapten."
    replied = Article("b", dates[1]).add(reply, "reply", topic=["war"])
    wanted = [(CHARGE, [reply] if answered else [], False)]
    assert paired(asked, replied) == paired(replied, asked) == wanted


def test_another_article_must_be_about_the_same_thing():
    asked = Article("a", "2024-03-01").add(CHARGE, "charge", topic=["war"])
    for text, topic, answered in (
        (REPLY, ["war"], False),
        ("Meriam di kapal, katanya, tidak ada.", [], False),
        ("Meriam di kapal yang menuju pelabuhan tidak ada.", ["trade"], True),
    ):
        replied = Article("b", "2024-03-02").add(text, "reply", topic=topic)
        assert paired(asked, replied) == [(CHARGE, [text] if answered else [], False)], text
    # Its own article goes first.
    own = Article("a", "2024-03-01").add(CHARGE, "charge", topic=["war"]).add(REPLY, "reply")
    elsewhere = Article("b", "2024-03-02").add("Meriam di kapal yang menuju pelabuhan tidak ada.", "reply")
    assert paired(own, elsewhere) == [(CHARGE, [REPLY], True)]


def test_the_window_can_be_chosen():
    asked = Article("a", "2024-03-01").add(CHARGE, "charge", topic=["war"])
    replied = Article("b", "2024-03-04").add("Meriam? Mustahil.", "reply", topic=["war"])
    assert paired(asked, replied, days=2)[0][1] == []
    assert paired(asked, replied, days=3)[0][1] == ["Meriam? Mustahil."]


def test_two_documents_of_one_name_are_two():
    assert paired(Article().add(CHARGE, "charge"), Article().add(REPLY, "reply")) == [(CHARGE, [], False)]


def test_a_scheme_without_answers_has_no_pairs():
    scheme = LabelScheme.from_dict({"groups": [{"id": "view", "labels": ["charge", "reply"]}]})
    assert not pairs_known(scheme)
    assert pairs_known(SCHEME)
    assert paired(Article().add(CHARGE, "charge").add(REPLY, "reply"), scheme=scheme) == []


def test_shares_by_outlet():
    articles = [
        Article("a", outlet="x.id").add(CHARGE, "charge").add(REPLY, "reply"),
        Article("b", outlet="x.id").add(CHARGE, "charge"),
        Article("c").add(CHARGE, "charge"),
    ]
    found = exchanges([row for article in articles for row in article.rows], SCHEME)
    assert by_outlet(found) == [Share("x.id", 2, 1), Share("", 1, 0)]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"answers": ["none"]}, ["'reply'", "'none'", "not a label"]),
        ({"answers": ["reply"]}, ["'reply'", "itself"]),
        ({"answers": "charge"}, ["'answers'", "list"]),
        ({"holders": [3]}, ["'holders'", "names"]),
    ],
)
def test_a_scheme_that_answers_nonsense_is_refused(more, words):
    with pytest.raises(LabelsError) as caught:
        LabelScheme.from_dict({"groups": [{"id": "view", "labels": ["charge", {"id": "reply", **more}]}]}, "labels.yaml")
    for word in words:
        assert word in str(caught.value)


def test_the_shipped_scheme_says_who_answers_and_whose_it_is(root):
    for name in ("configs/labels.yaml", "model/labels.yaml"):
        scheme = LabelScheme.load(root / name)
        stances = next(group for group in scheme.groups if group.id == "stance").labels
        assert {label.id: label.answers for label in stances if label.answers} == {
            "dprk_denial": ("us_accusation",),
            "russian_framing": ("us_accusation",),
        }
        assert all(label.holders for label in stances)
