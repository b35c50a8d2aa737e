"""Probes are made as their files say, and counted by whether the model's answer is the one asked for."""

from dataclasses import dataclass, field

import pytest

from classify.errors import DataError
from classify.labels import LabelScheme
from training.probes import Probe, generate, report, run


def test_shipped_probes_use_the_shipped_labels(root):
    probes = generate(root / "configs/probes.yaml", root / "configs/actors.yaml")
    groups = {group.id: {label.id for label in group.labels} for group in LabelScheme.load(root / "configs/labels.yaml").groups}
    kinds = {probe.kind for probe in probes}
    assert {
        "speaker swap, stance of this speaker",
        "speaker swap, nobody's stance",
        "negated",
        "hypothetical",
        "unmoved by typo",
        "unmoved by dateline",
    } <= kinds
    asked = [probe for probe in probes if probe.expected is not None]
    assert all(set(labels) <= groups[group] for probe in asked for group, labels in probe.expected.items())
    assert all(set(probe.expected) == set(groups) for probe in asked)
    assert not any("{" in probe.text for probe in probes)
    same = [probe for probe in probes if probe.same_as]
    assert {probe.same_as for probe in same} == {probe.text for probe in asked}
    assert all(probe.text != probe.same_as for probe in same)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "actors.yaml").write_text("us: [AS, Washington]\nseoul: [Korsel]\n", encoding="utf-8")
    (tmp_path / "probes.yaml").write_text(
        """
swaps:
- text: "{speaker} menuduh Korut."
  actors: [us, seoul]
  topic: []
  stance: {us: [us_accusation]}
negated:
- {text: "AS tidak menuduh siapa pun.", topic: [], stance: []}
disturbances:
- {id: capitals, case: upper}
- {id: typo, letters: swap}
- {id: quotes, replace: {"-": "~"}}
""",
        encoding="utf-8",
    )
    return tmp_path / "probes.yaml", tmp_path / "actors.yaml"


def test_frames_are_filled_with_every_name_and_disturbed(files):
    probes = generate(*files)
    swaps = [(probe.text, probe.expected["stance"]) for probe in probes if probe.kind.startswith("speaker swap")]
    assert [probe.text for probe in probes if probe.kind == "speaker swap, nobody's stance"] == ["Korsel menuduh Korut."]
    assert swaps == [
        ("AS menuduh Korut.", ("us_accusation",)),
        ("Washington menuduh Korut.", ("us_accusation",)),
        ("Korsel menuduh Korut.", ()),
    ]
    typos = {probe.text for probe in probes if probe.kind == "unmoved by typo"}
    assert "AS meunduh Korut." in typos
    # What a disturbance does not change is not asked twice.
    assert not any(probe.kind == "unmoved by quotes" for probe in probes)


@dataclass
class Answer:
    text: str
    labels: dict = field(default_factory=dict)


class Fake:
    """Gives the stance to every sentence with a capital AS."""

    scheme = LabelScheme.from_dict({"groups": [{"id": "topic", "labels": ["war"]}, {"id": "stance", "labels": ["us_accusation"]}]})

    def predict(self, texts):
        return [Answer(text, {"topic": [], "stance": ["us_accusation"] if "AS" in text else []}) for text in texts]


def test_passes_and_failures_are_counted(files):
    results = {result.kind: result for result in run(Fake(), generate(*files))}
    swap = results["speaker swap, stance of this speaker"]
    assert (swap.passed, swap.asked) == (1, 2)
    assert swap.failures == ("Washington menuduh Korut. -> -, not us_accusation",)
    assert (results["negated"].passed, results["negated"].asked) == (0, 1)
    # "Washington MENUDUH" in capitals holds no AS of its own; "KORSEL" and "SIAPA" do not either.
    assert results["unmoved by typo"].rate == 1
    lines = list(report(list(results.values())))
    assert "| speaker swap, stance of this speaker | 1 | 2 | 50.0% |" in lines
    assert "- speaker swap, stance of this speaker: Washington menuduh Korut. -> -, not us_accusation" in lines


def test_sameness_is_asked_of_the_model_itself():
    probes = [Probe("unmoved", "korut", same_as="AS"), Probe("unmoved", "AS!", same_as="AS")]
    (result,) = run(Fake(), probes)
    assert (result.passed, result.asked) == (1, 2)


def test_an_unknown_actor_or_disturbance_is_named(files, tmp_path):
    probes, actors = files
    text = probes.read_text(encoding="utf-8")
    probes.write_text(text.replace("actors: [us, seoul]", "actors: [us, mars]"), encoding="utf-8")
    with pytest.raises(DataError, match="unknown actor 'mars'"):
        generate(probes, actors)
    probes.write_text(text.replace("case: upper", "upside: down"), encoding="utf-8")
    with pytest.raises(DataError, match="'capitals' needs one of"):
        generate(probes, actors)


def test_a_model_of_other_labels_cannot_be_probed(files, monkeypatch):
    monkeypatch.setattr(Fake, "scheme", LabelScheme.from_dict({"groups": [{"id": "tone", "labels": ["kind", "rude"]}]}))
    with pytest.raises(DataError, match="ask for us_accusation, which this model does not give"):
        run(Fake(), generate(*files))
