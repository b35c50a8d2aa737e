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


@pytest.mark.parametrize(
    ("before", "text", "holders", "wanted"),
    [
        ("", "Bantahan serupa datang dari Kremlin sehari kemudian.", RUSSIA, ("Kremlin", "russia", False)),
        ("", "Lewat juru bicaranya, Dmitry Peskov, Kremlin menampik laporan itu.", RUSSIA, ("Kremlin", "russia", False)),
        ("", "Dalam wawancara dengan TASS, Lavrov menyebut tuduhan itu dagelan.", RUSSIA, ("Lavrov", "russia", False)),
        ("", "Dilansir KCNA, Kim Yo Jong menyebut laporan Seoul karangan belaka.", KOREA, ("Kim Yo Jong", "north_korea", False)),
        ("", "Tuduhan itu omong kosong, demikian KCNA, Senin.", KOREA, ("KCNA", "north_korea", False)),
        (
            "",
            "Seorang pejabat di Gedung Putih yang enggan disebut namanya menyebut kapal itu penuh amunisi.",
            US,
            ("Seorang pejabat di Gedung Putih", "us", False),
        ),
        ("", "Orang nomor satu di Kremlin itu menganggap sanksi Barat sia-sia.", RUSSIA, ("Orang nomor satu di Kremlin", "russia", False)),
        (
            "Putin tiba di Pyongyang pada Rabu dini hari.",
            "Pemimpin berusia 71 tahun itu menyebut perjanjian tersebut murni pertahanan.",
            RUSSIA,
            ("Putin", "russia", True),
        ),
        (
            "Putin tiba di Pyongyang pada Rabu dini hari.",
            "Sang presiden menyebut perjanjian tersebut murni pertahanan.",
            RUSSIA,
            ("Putin", "russia", True),
        ),
        (
            "Departemen Luar Negeri AS merilis laporan setebal 40 halaman.",
            "Di dalamnya, departemen itu menuding Rusia membayar dengan minyak.",
            US,
            ("Departemen Luar Negeri AS", "us", True),
        ),
        (
            "Kim Yo Jong kembali muncul di televisi pemerintah.",
            "Perempuan itu menyebut laporan intelijen Seoul sebagai sampah.",
            KOREA,
            ("Kim Yo Jong", "north_korea", True),
        ),
        (
            "Lavrov menjamu mitranya dari Pyongyang di Moskow.",
            '"Kami tidak melanggar apa pun," ujar sang tuan rumah.',
            RUSSIA,
            ("Lavrov", "russia", True),
        ),
        ("", "Amerika murka, kapal Rusia bawa amunisi Korut", US, ("Amerika", "us", False)),
        ("", "Moskow Meradang Disebut Beli Peluru Korut", RUSSIA, ("Moskow", "russia", False)),
        ("", "Soal Pasukan Korut, Peskov: Bukan Urusan Barat", RUSSIA, ("Peskov", "russia", False)),
        ("", '"Itu Fitnah!", Balas Korut ke Amerika', KOREA, ("Korut", "north_korea", False)),
        ("", "Begini Kata Kremlin soal Tuduhan AS", RUSSIA, ("Kremlin", "russia", False)),
        ("", "Tidak hanya Seoul, Washington juga mencurigai kapal itu.", US, ("Washington", "us", False)),
        ("", "Rusia, di mata Washington, telah merobek resolusi yang ikut disahkannya.", US, ("Washington", "us", False)),
        ("", "Kerja sama itu sah, begitu dalih Moskow.", RUSSIA, ("Moskow", "russia", False)),
        ("", "Dari kacamata Washington, pakta itu ancaman nyata.", US, ("Washington", "us", False)),
        ("", "Charlie Dietz dari Pentagon mengatakan pasukan itu berlatih di timur Rusia.", US, ("Charlie Dietz", "us", False)),
        ("", "Pasukan Korut - yang menurut Pentagon berjumlah 10.000 - sudah tiba.", US, ("Pentagon", "us", False)),
        ("Kirby menggelar jumpa pers, Rabu.", "Pasukan Korut, imbuhnya, sudah tiba di Rusia.", US, ("Kirby", "us", True)),
        (
            "Zakharova berbicara kepada wartawan di Moskow, Kamis.",
            '"Seoul bermain api," kata diplomat perempuan itu.',
            RUSSIA,
            ("Zakharova", "russia", True),
        ),
        (
            "Pemerintah Korea Utara akhirnya bersuara.",
            "Negara tertutup itu menyebut tuduhan tersebut sebagai provokasi.",
            KOREA,
            ("Pemerintah Korea Utara", "north_korea", True),
        ),
        (
            "Washington menjatuhkan sanksi baru, Kamis.",
            "Negeri adidaya itu menuduh Moskow membiayai rudal Pyongyang.",
            US,
            ("Washington", "us", True),
        ),
        ("", "Tudingan Washington dianggap angin lalu oleh Moskow.", RUSSIA, ("Moskow", "russia", False)),
        ("", "Tudingan Washington dianggap angin lalu.", RUSSIA, None),
        ("", "Ada kekhawatiran di Washington bahwa Pyongyang menerima teknologi kapal selam.", US, ("Washington", "us", False)),
        ("", 'Wakil Rusia di PBB mencemooh laporan itu: "Dongeng pengantar tidur."', RUSSIA, ("Wakil Rusia di PBB", "russia", False)),
        (
            "Georgy Zinoviev dipanggil Kementerian Luar Negeri Korsel pada Senin.",
            "Duta besar itu menegaskan kerja sama tersebut tidak diarahkan ke Seoul.",
            RUSSIA,
            ("Georgy Zinoviev", "russia", True),
        ),
        (
            "Kementerian Luar Negeri Rusia memanggil duta besar Korsel.",
            "Kementerian itu menilai Seoul telah bertindak gegabah.",
            RUSSIA,
            ("Kementerian Luar Negeri Rusia", "russia", True),
        ),
        ("FBI membekukan ratusan akun.", "Biro itu menyebut peretas Lazarus bekerja untuk Pyongyang.", US, ("FBI", "us", True)),
        ("Trump bertemu Putin di Alaska.", "Ia menuduh NATO memperpanjang perang.", RUSSIA, ("Putin", "russia", True)),
        ("", "Bukan Washington, melainkan Seoul yang pertama menuduh Pyongyang mengirim pasukan.", US, ("Seoul", "south_korea", False)),
        ("", "Kim Yo Jong, kata KCNA, menganggap tudingan itu sebagai lelucon.", KOREA, ("Kim Yo Jong", "north_korea", False)),
        ("Lavrov bertemu Choe Son Hui di Moskow.", "Keduanya sepakat menyebut AS biang ketegangan.", RUSSIA, ("Lavrov", "russia", True)),
        (
            "Rustem Umerov bertemu Lloyd Austin di Washington.",
            "Menteri itu memastikan 10.000 tentara Korut ada di Rusia.",
            US,
            ("Lloyd Austin", "us", True),
        ),
        (
            "Departemen Luar Negeri AS dan Kementerian Luar Negeri Rusia saling melempar pernyataan.",
            "Kementerian itu menganggap sanksi AS ilegal.",
            RUSSIA,
            ("Kementerian Luar Negeri Rusia", "russia", True),
        ),
        ("", "Dituding AS Bantu Rusia, Begini Pembelaan Korut", KOREA, ("Korut", "north_korea", False)),
        (
            "",
            "Dalam sebuah unggahan di X, Duta Besar AS untuk Jepang Rahm Emanuel menuduh Kim menjual nyawa prajuritnya.",
            US,
            ("Duta Besar AS untuk Jepang Rahm Emanuel", "us", False),
        ),
        (
            "",
            "Rahm Emanuel, yang menjabat duta besar AS di Tokyo, menuduh Kim menjual nyawa prajuritnya.",
            US,
            ("Rahm Emanuel", "us", False),
        ),
        ("", "Presiden ke-46 AS itu menyebut pengiriman pasukan sangat berbahaya.", US, ("Presiden ke-46 AS", "us", False)),
        ("", "Lewat KCNA, Pyongyang mencap tuduhan itu sebagai kabar bohong.", KOREA, ("Pyongyang", "north_korea", False)),
        (
            "",
            'Di Pyongyang, Menteri Pertahanan No Kwang Chol mengutuk "dongeng Washington".',
            KOREA,
            ("Menteri Pertahanan No Kwang Chol", "north_korea", False),
        ),
        ("", "NATO, melalui Sekjen Mark Rutte, mengecam pengiriman pasukan Korut.", US, ("NATO", None, False)),
        (
            "Menteri Luar Negeri Korea Utara Choe Son Hui mendarat di Moskow, Selasa. Ia disambut Lavrov di bandara.",
            "“Kami akan selalu berdiri bersama kawan-kawan Rusia sampai hari kemenangan,” kata Choe.",
            RUSSIA,
            ("Choe", "north_korea", False),
        ),
        (
            "Lavrov menerima Choe Son Hui di rumah dinasnya.",
            "Sang tamu menyebut perang Rusia sebagai perjuangan suci.",
            RUSSIA,
            ("Choe Son Hui", "north_korea", True),
        ),
        (
            "Pertanyaan itu diajukan kepada Peskov pada Kamis.",
            "Jawabannya singkat: Rusia bebas berkawan dengan siapa saja.",
            RUSSIA,
            ("Peskov", "russia", True),
        ),
        (
            "Misi Tetap Korea Utara di Jenewa mengedarkan selebaran.",
            "Isi selebaran itu menolak tudingan bahwa peretas Korut mencuri aset kripto.",
            KOREA,
            ("Misi Tetap Korea Utara", "north_korea", True),
        ),
        (
            "Trump menjawab wartawan di atas pesawat kepresidenan.",
            '"Kim bantu Putin dan itu tidak bagus," kata taipan properti tersebut.',
            US,
            ("Trump", "us", True),
        ),
        ("", "Di hadapan anggota Kongres, Austin memaparkan jalur pengiriman amunisi Korut.", US, ("Austin", "us", False)),
        ("", "Adalah Kim Yo Jong yang pertama-tama menyangkal laporan Seoul.", KOREA, ("Kim Yo Jong", "north_korea", False)),
        ("", "Laporan Seoul, yang disangkal Pyongyang, dipercaya Washington.", KOREA, ("Pyongyang", "north_korea", False)),
        ("", "Laporan Seoul, yang disangkal Pyongyang, dipercaya Washington.", US, ("Washington", "us", False)),
        ("", "Pyongyang tak sudi disebut pemasok senjata.", KOREA, ("Pyongyang", "north_korea", False)),
        ("", "Korut Kirim Pasukan ke Ukraina, Benarkah? Ini Kata Pentagon", US, ("Pentagon", "us", False)),
        ("", "Rudal Korut Hantam Kyiv, Biden Beri Reaksi Keras", US, ("Biden", "us", False)),
        ("", "Tuduhan AS soal pengiriman amunisi itu kembali ditepis.", KOREA, None),
        ("", "Banyak pihak menilai Rusia berutang budi kepada Korut.", US, None),
        (
            "Jubir Deplu AS Matthew Miller menggelar taklimat harian. Wartawan menanyakan nasib perjanjian itu.",
            "Miller bilang, Rusia akan menyesali pilihannya.",
            US,
            ("Miller", "us", False),
        ),
        ("", "Rusia sudah membayar dengan gandum, bilang seorang pejabat Pentagon.", US, ("seorang pejabat Pentagon", "us", False)),
        ("", "Kabar itu sontak membuat Washington berang.", US, ("Washington", "us", False)),
        ("", "Yang membuat Washington cemas, Moskow mungkin membalas dengan teknologi nuklir.", US, ("Washington", "us", False)),
        ("", "Bikin AS Ketar-ketir, Kim Kirim Pasukan ke Rusia", US, ("AS", "us", False)),
        ("", "AS Sebut Korut Kirim Peluru, Pyongyang: Ngawur!", KOREA, ("Pyongyang", "north_korea", False)),
        ("", "Peskov soal Pasukan Korut: Itu Hak Kami", RUSSIA, ("Peskov", "russia", False)),
        ("", "Kremlin tentang tuduhan AS: 'Tidak ada yang baru'", RUSSIA, ("Kremlin", "russia", False)),
        (
            "",
            "Putin, dalam jumpa pers seusai KTT BRICS di Kazan, tidak menampik keberadaan pasukan Korut.",
            RUSSIA,
            ("Putin", "russia", False),
        ),
        ("", "Oleh Moskow, traktat itu disebut jaminan perdamaian.", RUSSIA, ("Moskow", "russia", False)),
        ("", "Menlu Lavrov-lah yang pertama menuding NATO.", RUSSIA, ("Menlu Lavrov", "russia", False)),
        ("", "Lavrov (dikutip TASS): traktat itu bersejarah.", RUSSIA, ("Lavrov", "russia", False)),
        ("", "Giliran Medvedev menyindir Washington yang gemar berperang.", RUSSIA, ("Medvedev", "russia", False)),
        ("", "Sindiran datang pula dari Medvedev.", RUSSIA, ("Medvedev", "russia", False)),
        ("Blinken menuduh Rusia melatih tentara Korut.", "Tuduhan serupa pernah ia lontarkan bulan lalu.", US, ("Blinken", "us", True)),
        ("Blinken menuduh Rusia melatih tentara Korut.", "Ditambahkannya, Putin akan membayar mahal.", US, ("Blinken", "us", True)),
        ("Blinken menuduh Rusia melatih tentara Korut.", "Bagi dia, Kim sedang bermain api.", US, ("Blinken", "us", True)),
        ("Gedung Putih mengumumkan temuannya pada Kamis malam.", "Kapal-kapal itu diduga mengangkut mortir.", US, None),
        (
            "",
            "Juru bicara Dewan Keamanan Nasional (NSC) Gedung Putih, Sean Savett, menyebut Rusia putus asa.",
            US,
            ("Juru bicara Dewan Keamanan Nasional (NSC) Gedung Putih, Sean Savett", "us", False),
        ),
        ("", "Sean Savett dari Dewan Keamanan Nasional Gedung Putih menyebut Rusia putus asa.", US, ("Sean Savett", "us", False)),
    ],
)
def test_constructions_of_the_news(before, text, holders, wanted):
    holder = asked(text, holders, before, start=len(before) + 1).holder
    if wanted is None:
        assert holder is None
    else:
        assert wanted[0] in holder.text
        assert (holder.actor, holder.inherited) == wanted[1:]
        whole = f"{before} {text}"
        assert whole[holder.start : holder.end] == holder.text


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


def test_the_words_of_a_quotation_are_their_speakers():
    assert said('"Senjata itu, bagi Rusia, penting," kata Kirby.', RUSSIA)[:2] == ("Kirby", "us")
    assert said('"Senjata itu, bagi Rusia, penting," kata Peskov.', RUSSIA)[0] == "Peskov"
    assert said('"Kata Putin: jangan takut," ujar Lavrov.', RUSSIA)[0] == "Lavrov"


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
