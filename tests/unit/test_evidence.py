"""Who holds a position, construction by construction; offsets are the document's."""

import pytest

from classify.errors import LabelsError
from classify.evidence import Attribution, attribute, check_holders, evidence
from classify.labels import LabelScheme
from classify.sentences import Sentence, split

US, KOREA, RUSSIA = ("us",), ("north_korea",), ("russia", "north_korea")


def asked(text, holders=US, before="", start=0) -> Attribution:
    return attribute(Sentence(start, start + len(text), text), list(split(before, whole=False)), holders)


def said(text, holders=US, before=""):
    found = asked(text, holders, before)
    return found.holder and found.holder.text, found.holder and found.holder.actor, found.cue and found.cue.text


@pytest.mark.parametrize(
    ("text", "holders", "wanted"),
    [
        ("Gedung Putih menuduh Moskow menimbun peluru.", US, ("Gedung Putih", "us", "menuduh")),
        ("Washington, yang lama bungkam, menuding Korut.", US, ("Washington", "us", "menuding")),
        ("Setelah menemui Lavrov di Jenewa, Blinken mengecam perjanjian itu.", US, ("Blinken", "us", "mengecam")),
        ("WASHINGTON - Pemerintah AS menyatakan cemas.", US, ("Pemerintah AS", "us", "menyatakan")),
        ("Rusia dituduh oleh AS menimbun peluru.", US, ("AS", "us", "dituduh")),
        ("Kabar itu dibantah keras Pyongyang.", KOREA, ("Pyongyang", "north_korea", "dibantah")),
        ("Kabar itu dianggap wajar oleh Kremlin.", RUSSIA, ("Kremlin", "russia", "dianggap")),
        ("Poros itu, yang oleh Washington disebut jahat, meluas.", US, ("Washington", "us", "disebut")),
        ('"Itu dongeng," kata Peskov.', RUSSIA, ("Peskov", "russia", "kata")),
        ("Amerika Serikat (AS) dan Korea Selatan (Korsel) mencela Pyongyang.", US, ("Amerika Serikat (AS)", "us", "mencela")),
        ("Putin berbicara tentang tekanan militer AS.", RUSSIA, ("Putin", "russia", "berbicara")),
        (
            '"Kami tahu," ujar wakil juru bicara Pentagon Sabrina Singh.',
            US,
            ("wakil juru bicara Pentagon Sabrina Singh", "us", "ujar"),
        ),
        ("Lavrov: Barat Munafik", RUSSIA, ("Lavrov", "russia", None)),
        ("Menurut keterangan resmi Pentagon, kapal itu kosong.", US, ("Pentagon", "us", "Menurut")),
        ("Bagi Moskow, NATO pangkal perkara.", RUSSIA, ("Moskow", "russia", "Bagi")),
        ("Tuduhan terbaru AS menyasar tiga kapal.", US, ("AS", "us", "Tuduhan")),
        ("Bantahan Korut datang esoknya.", KOREA, ("Korut", "north_korea", "Bantahan")),
        ("AS Tuduh Korut Kirim Roket", US, ("AS", "us", "Tuduh")),
        ("Dituduh AS Jual Roket, Rusia Angkat Bicara", RUSSIA, ("Rusia", "russia", "Angkat Bicara")),
        ("AS memberi sanksi kepada dua bank.", US, ("AS", "us", None)),
        ("John Kirby, juru bicara Gedung Putih, menuduh Moskow.", US, ("John Kirby, juru bicara Gedung Putih", "us", "menuduh")),
        ("Kapal itu diduga memuat roket.", US, (None, None, None)),
        ("Tuduhan terhadap Rusia bukan yang pertama.", US, (None, None, None)),
        ("Pakar militer Budi Santoso menuduh Moskow.", US, ("Pakar militer Budi Santoso", None, "menuduh")),
    ],
)
def test_each_construction(text, holders, wanted):
    assert said(text, holders) == wanted


def test_of_several_the_one_whose_position_the_label_is():
    text = "Tuduhan AS bahwa Pyongyang menjual roket dibantah Kementerian Luar Negeri Korut."
    assert said(text, US) == ("AS", "us", "Tuduhan")
    assert said(text, KOREA) == ("Kementerian Luar Negeri Korut", "north_korea", "dibantah")
    assert said("Seoul, Tokyo, dan Washington mengecam uji coba itu.", US)[0] == "Washington"
    assert said("Korsel menuduh Korut.", US) == ("Korsel", "south_korea", "menuduh")


def test_the_one_spoken_to_or_of_is_not_the_speaker():
    assert said("Duta Besar Rusia untuk AS Anatoly Antonov menuding Washington berbohong.", RUSSIA)[:2] == (
        "Duta Besar Rusia untuk AS Anatoly Antonov",
        "russia",
    )
    assert said("Menanggapi Gedung Putih, Korea Utara menyangkal kabar itu.", US)[1] == "north_korea"
    assert said("Kepada stasiun televisi AS, Peskov menyebut sanksi itu perang.", RUSSIA)[0] == "Peskov"


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("Ia menuduh Moskow menimbun peluru.", "menuduh"),
        ('"Kami punya fotonya," ujarnya.', "ujarnya"),
        ("Menurutnya, kapal itu penuh.", "Menurutnya"),
        ("Juru bicara itu menuduh Moskow.", "menuduh"),
        ('"Kapal itu penuh."', None),
    ],
)
def test_who_is_named_in_a_sentence_before(text, cue):
    before = "Kapal berlayar. Kirby menjawab wartawan."
    found = asked(text, US, before, start=100)
    assert (found.holder.text, found.holder.actor, found.holder.inherited) == ("Kirby", "us", True)
    assert before[found.holder.start : found.holder.end] == "Kirby"
    assert (found.cue and found.cue.text) == cue
    if found.cue:
        assert text[found.cue.start - 100 : found.cue.end - 100] == cue
    assert asked(text, US).holder is None


def test_nobody_is_inherited_over_a_paragraph_that_says_nothing():
    first, second, text = "Kirby menuduh Moskow.", "Hujan turun lagi.", "Ia menuduh Moskow lagi."
    sentences = list(split(f"{first}\n{second}\n{text}", whole=False))
    assert asked(text, US, f"{first} {second}").holder.text == "Kirby"
    assert attribute(sentences[2], sentences[:2], US).holder is None
    # A sentence that points back itself is a bridge.
    sentences = list(split(f"{first}\nIa tersenyum, katanya.\n{text}", whole=False))
    assert attribute(sentences[2], sentences[:2], US).holder.text == "Kirby"


def test_a_surname_is_who_was_named_in_full():
    before = "Duta Besar Rusia untuk Indonesia Lyudmila Vorobieva menggelar jumpa pers."
    assert said("Vorobieva menyebut laporan itu fitnah.", RUSSIA, before)[:2] == ("Vorobieva", "russia")
    assert said("Vorobieva menyebut laporan itu fitnah.", RUSSIA)[:2] == ("Vorobieva", None)


@pytest.mark.parametrize(
    "text",
    ["", "-", '"', "“”", ": :", "kata", "oleh", "Menurut", "AS", 'kata "', "dituduh,", "A" * 3000, "kata " * 500, "menuduh AS, " * 50_000],
    ids=lambda text: text[:10],
)
def test_any_text_is_read(text):
    asked(text)


def test_evidence_of_the_labels_given_with_offsets_of_the_document():
    scheme = LabelScheme.from_dict({"groups": [{"id": "view", "labels": ["calm", {"id": "charge", "holders": ["us"]}]}]})
    sentence = Sentence(50, 80, "Gedung Putih menuduh Moskow.")
    found = evidence(sentence, [], scheme, {"view": ["calm", "charge"]}, {"charge": [(13, 20, 1.5)]})
    assert found == {
        "charge": {
            "holder": {"text": "Gedung Putih", "start": 50, "end": 62, "actor": "us", "inherited": False},
            "cue": {"text": "menuduh", "start": 63, "end": 70},
            "words": [[63, 70, 1.5]],
        }
    }
    assert evidence(sentence, [], scheme, {"view": ["calm"]}, {}) == {}


def test_a_scheme_without_holders_or_with_unknown_ones_is_refused(root):
    check_holders(LabelScheme.load(root / "configs/labels.yaml"))
    with pytest.raises(LabelsError, match="holders"):
        check_holders(LabelScheme.from_ids(["a", "b"]))
    scheme = LabelScheme.from_dict({"groups": [{"id": "view", "labels": [{"id": "charge", "holders": ["mars"]}]}]})
    with pytest.raises(LabelsError, match="'mars'.*north_korea"):
        check_holders(scheme)
