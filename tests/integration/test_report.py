"""What `classify report` writes, read with an HTML parser; test_report_browser looks at it in a browser."""

import base64
import hashlib
import json
import re
import shlex
import shutil
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from report_pages import NASTY, articles, given, page_of, rows_of

from classify import predict as flow
from classify import report as pages
from classify.classifier import Classifier
from classify.documents import Meta
from classify.modeldir import ModelDirectory
from classify.phrases import Phrases, percent, span
from classify.rates import FILE, ErrorRates, LabelRates
from classify.resources import resource
from classify.writers import Row

VOID = {"meta", "input", "link", "br", "img"}


class Tree(HTMLParser):
    """Every element with its attributes and the text directly or indirectly in it; fails where tags do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == [], [one["tag"] for one in self.open]

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        element = {"tag": tag, "at": dict(attributes), "text": "", "path": [one["tag"] for one in self.open]}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for one in self.open:
            one["text"] += data

    def all(self, tag, **wanted):
        return [one for one in self.elements if one["tag"] == tag and all(one["at"].get(key) == value for key, value in wanted.items())]

    def classed(self, name):
        return [one for one in self.elements if name in (one["at"].get("class") or "").split()]


@pytest.fixture(scope="module")
def directory(tiny_model):
    return ModelDirectory.open(tiny_model)


def write_rates(folder, scheme, decisions, **changes):
    counts = {label: LabelRates(decisions.threshold(label), 40, 10, 10, 490) for label in scheme.ids}
    counts |= changes.pop("counts", {})
    rates = ErrorRates("berita.jsonl (test split)", False, 550, 60, "", {"balanced": counts})
    (folder / FILE).write_text(replace(rates, **changes).text(), encoding="utf-8")


@pytest.fixture(scope="module")
def html(directory):
    return page_of(directory, rows_of(directory.scheme, articles(directory.scheme)))


@pytest.fixture(scope="module")
def tree(html):
    return Tree(html)


def test_every_sentence_stands_in_its_article_and_the_tiles_count_them(tree, directory):
    assert len(tree.all("article")) == 12
    shown = [one["text"] for one in tree.classed("x") if "article" in one["path"]]
    assert shown == [text for _, _, sentences in articles(directory.scheme) for text, _, _ in sentences]
    tiles = [one["text"] for one in tree.all("b") if one["path"][-2:] == ["ul", "li"]]
    assert tiles == ["12", "72", "24", "12", "2", "2024-01-10 \N{EN DASH} 2024-04-10"]


def test_labels_are_told_in_words_and_sign_not_by_colour_alone(tree, directory):
    names = {str(number): label.names["en"] for number, label in enumerate(directory.scheme)}
    chips = [one for one in tree.all("button") if "c" in one["at"]["class"].split()]
    assert len(chips) > 24
    for chip in chips:
        assert names[chip["at"]["data-l"]] in chip["text"]
        assert chip["at"]["data-s"] in chip["text"]
        assert chip["text"][0] in pages.SIGNS + "#"
        assert ("? review" in chip["text"]) == (chip["at"].get("data-r") == "1")
        assert ("near" in chip["at"]["class"]) == (chip["at"]["data-s"] == "0.45")


def test_nothing_can_be_fetched_and_only_its_own_style_and_script_run(html, tree):
    policy = next(one["at"]["content"] for one in tree.all("meta") if one["at"].get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    assert "http" not in policy
    style, script = (re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.S) for tag in ("style", "script"))
    for rule, (text,) in (("style-src", style), ("script-src", script)):
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert not re.search(r"https?:|url\(|@import|@font-face", style[0] + script[0])
    for element in tree.elements:
        assert element["tag"] not in ("link", "img", "iframe", "object", "embed", "base", "audio", "video")
        assert not {"src", "srcset", "style", "action", "formaction", "ping"} & set(element["at"])
        assert not [name for name in element["at"] if name.startswith("on")]
        assert element["at"].get("href", "#").startswith("#")
    # Links inside the page lead somewhere.
    ids = Counter(one["at"]["id"] for one in tree.elements if "id" in one["at"])
    assert set(ids.values()) == {1}
    assert {one["at"]["href"][1:] for one in tree.all("a")} <= set(ids)


def test_every_chart_has_a_name_and_a_table_with_its_figures(tree):
    charts = tree.classed("chart")
    # Seven labels by outlet and by month, topics by stances, accusations and answers.
    assert len(charts) == 2 * 7 + 2
    titles = [one for one in tree.all("title") if one["path"][-1] == "svg"]
    assert len(titles) == len(charts)
    assert all(one["at"]["role"] == "img" for one in charts)
    assert len(tree.all("table")) == len(charts)
    for table in tree.all("table"):
        assert table["path"][-1] == "div"
    heads = [one["at"].get("scope") for one in tree.all("th")]
    assert set(heads) == {"col", "row"}


def figures(directory, source):
    found, pairs = pages.collect(source, directory.scheme)
    return pages.Page(found, pairs, directory, "balanced", "en"), found


def test_shares_are_those_of_the_rows(directory, model_copy):
    mine = ModelDirectory.open(model_copy)
    write_rates(
        model_copy,
        mine.scheme,
        mine.decisions,
        counts={mine.scheme.ids[0]: LabelRates(mine.decisions.threshold(mine.scheme.ids[0]), 4, 1, 9, 490)},
    )
    rows = list(rows_of(mine.scheme, articles(mine.scheme)))
    page, _ = figures(mine, rows)
    usable = pages.usable_rates(mine, ErrorRates.load(model_copy), "balanced", mine.decisions)
    assert usable[0] == "few_positives"
    assert all(isinstance(one, LabelRates) for one in usable[1:])
    outlets, months = page.figures(usable)
    second = outlets["panels"][1]
    label = mine.scheme.ids[1]
    table = dict(second["table"])
    for outlet in ("pagi.example", "siang.example"):
        inside = [row for row in rows if row.meta.outlet == outlet]
        share = table[outlet]
        assert share.articles == len({row.document for row in inside})
        assert (share.sentences, share.marked) == (len(inside), sum(label in row.labels["topic"] for row in inside))
        assert share.low <= share.value <= share.high
    # One article is no sample of its outlet.
    assert table["unknown_outlet"].why == "few_articles"
    assert table["all_articles"].sentences == len(rows)
    assert [name for name, _ in months["panels"][1]["table"]] == ["2024-01", "2024-02", "2024-03", "2024-04", "all_articles"]
    assert outlets["panels"][0]["why"] == "few_positives"


def test_the_page_says_what_is_corrected_and_what_is_not(model_copy):
    mine = ModelDirectory.open(model_copy)
    first = mine.scheme.ids[0]
    write_rates(model_copy, mine.scheme, mine.decisions, counts={first: LabelRates(mine.decisions.threshold(first), 0, 0, 2, 498)})
    shown = Tree(page_of(mine, rows_of(mine.scheme, articles(mine.scheme))))
    how = next(one["text"] for one in shown.classed("how"))
    assert "Forman 2008" in how
    assert "550 sentences of 60 documents" in how
    assert "berita.jsonl (test split)" in how
    assert "fewer than 10 sentences with this label" in how
    assert "80% (40 of 50)" in " ".join(how.split())
    assert "too narrow" not in how


def test_rates_of_validation_sentences_carry_a_warning(model_copy):
    mine = ModelDirectory.open(model_copy)
    write_rates(model_copy, mine.scheme, mine.decisions, validation=True)
    assert "flatters the model" in Tree(page_of(mine, rows_of(mine.scheme, articles(mine.scheme)))).classed("how")[0]["text"]


def test_without_rates_or_with_those_of_another_model_nothing_is_corrected(tree, model_copy, directory):
    assert "No correction is possible" in tree.classed("how")[0]["text"]
    # The one dot is that of the key.
    assert len(tree.classed("dot")) == 1
    mine = ModelDirectory.open(model_copy)
    write_rates(model_copy, mine.scheme, mine.decisions, weights="0" * 64)
    usable = pages.usable_rates(mine, ErrorRates.load(model_copy), "balanced", mine.decisions)
    assert usable == ["stale"] * 7
    write_rates(model_copy, mine.scheme, replace(mine.decisions, thresholds={}))
    assert pages.usable_rates(mine, ErrorRates.load(model_copy), "balanced", mine.decisions) == ["stale"] * 7
    # Counted for one profile only.
    write_rates(model_copy, mine.scheme, mine.decisions)
    assert pages.usable_rates(mine, ErrorRates.load(model_copy), "precise", mine.decisions) == ["stale"] * 7


def test_text_cannot_become_markup(directory):
    def shown_of(word):
        hostile = [
            (word, Meta(word, "2024-01-01", word), [(word, ["us_accusation"], ["sanctions"])] * 3),
            ("b.txt", Meta(), [("Biasa.", [], [])]),
        ]
        text = page_of(directory, rows_of(directory.scheme, hostile), title=word)
        tree = Tree(text)
        return text, tree, [(one["tag"], sorted(one["at"])) for one in tree.elements]

    _, _, plain = shown_of("kata")
    for nasty in NASTY:
        text, shown, kinds = shown_of(nasty)
        # The same elements and attributes as of a harmless word: none was added, none ended early.
        assert kinds == plain
        kept = pages.visible(nasty)
        assert [one["text"] for one in shown.classed("x") if "article" in one["path"]] == [kept] * 3 + ["Biasa."]
        assert kept in shown.all("article")[0]["text"]
        assert any(one["text"] == kept for one in shown.all("option"))
        assert shown.all("h1")[0]["text"] == kept
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)
        json.loads(shown.all("script", id="data")[0]["text"])


def test_evidence_is_marked_in_the_sentence_and_told(directory):
    text = "Washington menuduh Pyongyang."
    first, second = rows_of(directory.scheme, [("a.txt", Meta(), [("Awal.", [], []), (text, ["us_accusation"], [])])])
    assert second.start == 6
    evidence = {
        "us_accusation": {
            "holder": {"text": "Washington", "start": 6, "end": 16, "actor": "us", "inherited": False},
            "cue": {"text": "menuduh", "start": 17, "end": 24},
            "words": [[17, 24, 0.4], [25, 34, 0.1], [6, 16, -0.2]],
        }
    }
    shown = Tree(page_of(directory, [first, replace(second, evidence=evidence)]))
    number = directory.scheme.ids.index("us_accusation")
    marks = [(one["text"], one["at"]["data-e"]) for one in shown.all("mark") if "article" in one["path"]]
    assert marks == [("Washington", f"h{number}"), ("menuduh", f"c{number} w{number}"), ("Pyongyang", f"w{number}")]
    assert text in [one["text"] for one in shown.classed("x")]
    chip = next(one for one in shown.all("button") if "data-v" in one["at"])
    assert json.loads(chip["at"]["data-v"]) == {"h": "Washington", "c": "menuduh", "w": "menuduh, Pyongyang"}
    # Who is named in a sentence before is told, but is no part of this one.
    evidence["us_accusation"] = {
        "holder": {"text": "Awal", "start": 0, "end": 4, "actor": None, "inherited": True},
        "cue": None,
        "words": [],
    }
    shown = Tree(page_of(directory, [first, replace(second, evidence=evidence)]))
    assert shown.all("mark") == []
    assert [json.loads(one["at"]["data-v"]) for one in shown.all("button") if "data-v" in one["at"]] == [{"h": "Awal", "i": 1}]


def test_accusations_and_answers_are_paired(directory):
    source = [
        ("a.txt", Meta("", "2024-01-01", "satu"), [("AS menuduh Korut menjual peluru.", ["us_accusation", "arms_transfer"], []),
                                                  ("Korut membantah menjual peluru.", ["dprk_denial", "arms_transfer"], [])]),
        ("b.txt", Meta("", "2024-05-01", "dua"), [("AS menuduh Rusia meluncurkan satelit mata-mata.", ["us_accusation"], [])]),
    ]  # fmt: skip
    page, _ = figures(directory, rows_of(directory.scheme, source))
    told = page.exchange()
    assert told["table"] == [("dua", [0, 0, 1], 1), ("satu", [1, 0, 0], 1), ("all_articles", [1, 0, 1], 2)]
    ((accusation, answers, same),) = told["pairs"]
    assert (accusation[0], [one[0] for one in answers], same) == (
        "AS menuduh Korut menjual peluru.",
        ["Korut membantah menjual peluru."],
        True,
    )


def test_topics_by_stances_count_sentences(directory):
    source = [("a.txt", Meta(), [("Satu.", ["sanctions", "us_accusation"], []), ("Dua.", ["sanctions", "diplomacy"], []), ("Tiga.", [], []),
                                 ("Empat.", ["us_accusation", "dprk_denial"], [])])]  # fmt: skip
    page, _ = figures(directory, rows_of(directory.scheme, source))
    table = {str(row): counts for row, counts in page.matrix()["table"]}
    topics = {label.id: str(shown.key) for label, shown in zip(directory.scheme, page.labels, strict=True)}
    assert table[topics["sanctions"]] == [1, 0, 0, 1]
    assert table[topics["diplomacy"]] == [0, 0, 0, 1]
    assert table["none_of_them"] == [1, 1, 0, 1]


def test_the_most_doubtful_sentences_come_first(directory):
    threshold = directory.decisions.threshold("sanctions")
    source = []
    for index, distance in enumerate((0.2, 0.01, 0.1)):
        labels = given(directory.scheme)
        source.append(Row("a.txt", index, 0, 1, f"Kalimat {distance}.", labels, {"sanctions": threshold - distance}, False, ("sanctions",)))
    shown = [one["text"] for one in Tree(page_of(directory, source)).classed("x") if "article" not in one["path"]]
    assert shown == ["Kalimat 0.01.", "Kalimat 0.1.", "Kalimat 0.2."]


def test_a_large_collection_is_counted_whole_and_shown_in_part(directory):
    shown = Tree(page_of(directory, rows_of(directory.scheme, articles(directory.scheme)), shown=5))
    assert len(shown.all("article")) == 5
    assert [one["text"] for one in shown.all("b") if one["path"][-2:] == ["ul", "li"]][:2] == ["12", "72"]
    assert any("first 5 of 12 articles" in one["text"] for one in shown.all("p"))


def test_documents_of_one_name_stay_apart(directory):
    twice = [("a.txt", Meta(), [("Satu.", [], [])]), ("a.txt", Meta(), [("Dua.", [], [])])]
    found, _ = pages.collect(rows_of(directory.scheme, twice), directory.scheme)
    assert found.sentences == [1, 1]


def test_a_scheme_of_one_exclusive_group_has_a_page(standard_model, model_copy):
    mine = ModelDirectory.open(standard_model)
    source = [("a.txt", Meta(), [("Bagus.", ["positif"], []), ("Buruk.", ["negatif"], [])])]
    shown = Tree(page_of(mine, rows_of(mine.scheme, source)))
    assert not shown.all("section", id="pairs")
    assert [one["at"]["class"].split()[1] for one in shown.all("button") if one["at"]["class"].startswith("c ")] == ["s2", "s0"]


@pytest.mark.parametrize(
    ("dates", "unit", "first", "last", "count"),
    [
        (["2024-01-05", "2024-03", ""], "month", "2024-01", "2024-03", 3),
        (["2023-01-05", "2025-03-01"], "quarter", "2023 Q1", "2025 Q1", 9),
        (["2015-01-05", "2025-03-01"], "year", "2015", "2025", 11),
        (["2024-01-05", "2024"], "year", "2024", "2024", 1),
        (["1850-01-01", "2024-01-01"], "year", "1850", "2024", 2),
        (["", ""], "", None, None, 0),
    ],
)
def test_periods_are_as_fine_as_the_dates_allow(dates, unit, first, last, count):
    name, keys, every = pages.periods(dates)
    assert (name, len(every)) == (unit, count)
    if every:
        assert (every[0], every[-1]) == (first, last)
    assert len(keys) == len(dates)
    assert set(keys) <= {*every, ""}


def test_phrases_are_whole_in_both_languages():
    phrases = yaml.safe_load(resource("configs/report.yaml").read_text(encoding="utf-8"))
    languages = set(phrases.pop("languages"))
    for key, texts in phrases.items():
        assert set(texts) == languages, key
        assert all(isinstance(text, str) and text for text in texts.values()), key
        assert len({tuple(sorted(re.findall(r"\{\w+\}", text))) for text in texts.values()}) == 1, key


def test_every_phrase_named_in_the_page_is_known_and_every_known_one_used(html, root):
    phrases = set(yaml.safe_load(resource("configs/report.yaml").read_text(encoding="utf-8"))) - {"languages"}
    named = set(re.findall(r'data-(?:t|aria-label|placeholder)="(\w+)"', html))
    assert {key for key in named if not re.fullmatch(r"[lg]\d+", key)} <= phrases
    folder = root / "classify"
    source = "".join(
        path.read_text(encoding="utf-8") for path in (folder / "report.py", folder / "charts.py", *(folder / "templates").iterdir())
    )
    computed = {key for key in phrases if key.startswith(("why_", "by_"))}
    assert {key for key in phrases - computed if not re.search(rf"[\"']{key}[\"']", source)} == set()


def test_the_page_opens_in_the_language_asked_for(directory):
    shown = Tree(page_of(directory, rows_of(directory.scheme, articles(directory.scheme)), language="id"))
    assert shown.all("html")[0]["at"]["lang"] == "id"
    assert shown.all("h1")[0]["text"] == "Topik dan sikap dalam berita"
    assert any("tuduhan AS 0,90" in one["text"] for one in shown.all("button"))


def test_figures_for_people():
    assert [percent(share) for share in (0, 0.123, 0.0412, 0.00034, 0.0994, 0.0997, 1)] == [
        "0%",
        "12%",
        "4.1%",
        "0.03%",
        "9.9%",
        "10%",
        "100%",
    ]
    assert span(0.012, 0.17) == "1.2\N{EN DASH}17%"
    assert Phrases("id", {}).number("1.2–17% v3") == "1,2–17% v3"


def contrast(first, second):
    def light(colour):
        parts = np.asarray([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    high, low = sorted((light(first), light(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_read(root):
    style = (root / "classify/templates/report.css").read_text(encoding="utf-8")
    palette = {
        name: f"#{''.join(c * 2 for c in value)}" if len(value) == 3 else f"#{value}"
        for name, value in re.findall(r"--(\w+):#(\w+)", style)
    }
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    for name in [f"c{i}" for i in range(8)]:
        # Text of chips on white, and on its own tint.
        assert contrast(palette[name], palette["card"]) >= 4.5
        assert contrast(palette[name], palette["t" + name[1]]) >= 4.5
    for ground in ["paper", "card", *(f"t{i}" for i in range(8))]:
        assert contrast(palette["ink"], palette[ground]) >= 7
        assert contrast(palette["soft"], palette[ground]) >= 4.5
        assert contrast(palette["accent"], palette[ground]) >= 4.5
    assert contrast(palette["cm"], palette["tm"]) >= 4.5
    assert len([name for name in palette if re.fullmatch(r"c\d", name)]) == len(pages.SIGNS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("berita")
    (folder / "satu.txt").write_text("Washington menuduh Pyongyang menjual peluru.\n\nHujan turun di Bogor.\n", encoding="utf-8")
    record = {
        "title": "Judul <b>tebal</b>",
        "text": "Kremlin membantah laporan itu. Harga beras naik.",
        "outlet": "x.example",
        "date": "2024-02-03",
    }
    (folder / "rekaman.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return folder


def test_one_command_makes_a_page(folder, tiny_model, run_cli, tmp_path):
    paths = [folder, folder / "rekaman.jsonl"]
    out = tmp_path / "report.html"
    result = run_cli("report", *paths, "--model", tiny_model, "--output", out, "--lang", "id", "--title", "Uji & coba")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert "2 articles, 4 sentences" in result.stderr
    text = out.read_text(encoding="utf-8")
    shown = Tree(text)
    assert shown.all("h1")[0]["text"] == "Uji & coba"
    assert "Judul <b>tebal</b>" in [one["text"] for one in shown.all("h3")]
    # What it says is what predicting says.
    classifier = Classifier.from_pretrained(tiny_model)
    rows = list(flow.rows(map(str, paths), classifier, flow.Options(explain=True), pytest.fail))
    assert text == page_of(classifier.directory, rows, "id", title="Uji & coba")
    result = run_cli("report", *paths, "--model", tiny_model, "--output", out, "--no-explain")
    assert result.returncode == 0, result.stderr
    assert " data-v=" not in out.read_text(encoding="utf-8")


def test_what_cannot_be_done_is_refused_and_nothing_lost(folder, tiny_model, run_cli, tmp_path, assert_refused):
    out = tmp_path / "report.html"
    out.write_text("before", encoding="utf-8")
    base = ["report", "--model", tiny_model, "--output", out]
    assert_refused(run_cli(*base, folder, "--lang", "fr"), "unknown language 'fr'", "en, id")
    assert_refused(run_cli("report", folder, "--model", tiny_model, "--output", tmp_path / "no" / "r.html"), "there is no folder")
    assert_refused(run_cli("report", folder, "--model", tiny_model, "--output", tmp_path), "is a folder")
    result = run_cli(*base, tmp_path / "missing.txt")
    assert result.returncode == 2
    assert "left as it was" in result.stderr
    assert out.read_text(encoding="utf-8") == "before"
    # A file that cannot be read costs a sentence and the exit code, not the page.
    result = run_cli(*base, tmp_path / "missing.txt", folder)
    assert result.returncode == 2
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_commands_of_its_guide_work(tiny_model, run_cli, tmp_path, root):
    shutil.copytree(root / "seeds", tmp_path / "seeds")
    block = re.search(r"```sh\n(.*?)```", (root / "docs/report.md").read_text(encoding="utf-8"), flags=re.S)[1]
    for command in block.splitlines():
        program, *arguments = shlex.split(command)
        assert program == "classify"
        result = run_cli(*arguments, "--model", tiny_model, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert Tree((tmp_path / "laporan.html").read_text(encoding="utf-8")).all("h1")[0]["text"] == "Korut dan Rusia"
