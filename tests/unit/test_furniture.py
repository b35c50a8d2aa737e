import importlib.util

import pytest

from classify.furniture import _rules, is_furniture, mark, mark_by_rules
from classify.furniture_score import describe
from classify.sentences import split


@pytest.mark.parametrize(
    "line",
    [
        "Home > Berita > Internasional",
        "Beranda » Dunia",
        "INTERNASIONAL",
        "Kamis, 15 Agustus 2024 07:45 WIB",
        "15/08/2024, 07:45 WIB",
        "Diperbarui: 16 Agustus 2024 | 08.05 WIB",
        "07.45 WIB",
        "Oleh: Tim Redaksi",
        "Penulis: Tirta Wulandari | Editor: Banyu Segara",
        "Reporter: Satria W.",
        "oleh Tirta Wulandari",
        "Tirta Wulandari - WartaNusa",
        "Kim Jong Un meninjau pabrik rudal. (Foto: KCNA via Reuters)",
        "Kapal barang di pelabuhan Rajin (dok. Istimewa)",
        "Foto: Dok. Kementerian Luar Negeri",
        "Ilustrasi: kapal barang di pelabuhan Rajin",
        "Sumber: Reuters",
        "(twl/bsg)",
        "(ANTARA)",
        "ADVERTISEMENT",
        "SCROLL TO CONTINUE WITH CONTENT",
        "Lanjutkan membaca di bawah iklan",
        "Iklan",
        "Halaman 1 dari 3",
        "Halaman: 2",
        "Selanjutnya",
        "1 2 3",
        "Baca selengkapnya",
        "Baca juga: Jepang Kirim Kapal Selam",
        "BACA JUGA : Jepang Kirim Kapal Selam",
        "Lihat Juga Parade Malam di Pyongyang",
        "Simak Video 'Parade Malam di Pyongyang':",
        "[Gambas:Video CNN]",
        "Bagikan",
        "Facebook Twitter WhatsApp",
        "Share: Facebook | X | WhatsApp",
        "Klik untuk berbagi di Twitter(Membuka di jendela yang baru)",
        "12 komentar",
        "3 menit baca",
        "2 jam yang lalu",
        "Artikel Terkait",
        "Artikel Terkait: Putin Terbang ke Hanoi",
        "Berita Terbaru",
        "Ikuti kami di Google News",
        "Dapatkan update berita pilihan setiap hari di WhatsApp Channel kami",
        "Tags: rusia, korut",
        "Topik: Rusia",
        "© 2024 WartaNusa",
        "Hak Cipta Dilindungi Undang-Undang",
        "Dilarang keras mengambil konten ini tanpa izin tertulis",
        "Artikel ini telah tayang di WartaNusa dengan judul Rudal Ketiga",
        "* * *",
    ],
)
def test_page_furniture(line):
    assert is_furniture(line)
    assert is_furniture(f"  \t{line} \r\n")
    (row,) = split(f"{line}\n")
    assert row.furniture
    assert row.text == line


@pytest.mark.parametrize(
    "line",
    [
        "Tags dan tagar itu ramai dipakai warganet untuk mengecam Moskow.",
        "Baca dokumen itu sebelum menuduh kami, kata Lavrov.",
        "Baca puisi di depan Putin, penyair itu menuai tepuk tangan.",
        "Foto satelit memperlihatkan kapal barang di pelabuhan Rajin.",
        "Foto Kim dan Putin berjabat tangan beredar luas",
        "Komentar Peskov itu muncul sehari setelah pernyataan Gedung Putih.",
        "Komentar Peskov memancing reaksi Seoul",
        "Editor surat kabar Rodong Sinmun memuji pasukan Rusia.",
        "Halaman depan koran resmi memuat foto pertemuan Kim dan Putin.",
        "KOREA UTARA BANTAH KIRIM SENJATA KE RUSIA",
        "AS TUDUH KORUT PASOK RUDAL",
        "PUTIN TIBA DI PYONGYANG",
        "Sumber intelijen menyebut sepuluh ribu prajurit sudah tiba.",
        "Penulis laporan itu, seorang peneliti di Seoul, meragukan angka tersebut.",
        "Video itu memperlihatkan tentara Korea Utara berlatih.",
        "Oleh karena itu, Washington menambah sanksi.",
        "Oleh Rusia, tuduhan itu dianggap angin lalu.",
        "Dunia internasional mengecam peluncuran itu",
        "Politik luar negeri Moskow berubah arah.",
        "Ikuti langkah Seoul, Tokyo juga memberi sanksi.",
        "Simak pernyataan lengkap Kirby: “Kami punya bukti.”",
        "Lihat saja apa yang terjadi di Kharkiv, kata Zelensky.",
        "Topik utama pertemuan itu adalah satelit pengintai.",
        "Iklan lowongan tentara bayaran muncul di Pyongyang.",
        "Berita itu dibantah Kremlin.",
        "Berita terbaru dari KCNA menyebut peluncuran gagal.",
        "Artikel terbaru Rodong Sinmun mengecam Seoul.",
        "Rekomendasi panel PBB itu ditolak Moskow.",
        "Email itu bocor ke wartawan.",
        "Twitter memblokir akun kedutaan Korea Utara.",
        "X dan Telegram diblokir di Rusia.",
        "Rabu, 12 Juli 2023, Kim bertemu Putin.",
        "Bagikan informasi intelijen, AS dipuji Kyiv.",
        "Selengkapnya akan diumumkan Kremlin besok.",
        "2 rudal meluncur pada hari yang sama.",
        "Kim tiba.",
        "Sanksi gagal?",
        "Menlu AS: Kami Punya Bukti",
        "1. AS yakin Rusia merayu Pyongyang",
    ],
)
def test_sentences_of_the_article_are_not_furniture(line):
    assert not is_furniture(line)
    filler = "Kim Jong Un bertemu Putin di Vladivostok pada Rabu.\n" * 5
    rows = list(split(f"{filler}{line}\nKremlin menolak berkomentar.\n"))
    assert not any(row.furniture for row in rows)


def test_the_end_of_the_page_is_furniture_only_once_most_of_the_article_has_passed():
    article = "Kim Jong Un bertemu Putin di Vladivostok pada Rabu pagi.\n" * 10
    page = f"Terkini\nRusia menambah pasukan di perbatasan.\n{article}Tags\nKorea Utara\nHarga cabai turun lima ribu rupiah.\n"
    rows = list(split(page))
    assert [row.text for row in rows if row.furniture] == ["Terkini", "Tags", "Korea Utara", "Harga cabai turun lima ribu rupiah."]


@pytest.fixture(scope="module")
def benchmark(load_benchmark):
    return load_benchmark("furniture")


@pytest.mark.parametrize("gap", ["\n", "\n\n", "\r\n"])
@pytest.mark.parametrize(
    ("name", "least"),
    [("tuned", 0.98), ("held-out", 0.98), ("unseen", 0.97), ("unseen-2", 0.97), ("unseen-3", 0.97), ("unseen-4", 0.97), ("more", 0.9)],
)
def test_pages_of_many_outlets(benchmark, name, least, gap):
    judged = [
        (furniture, dropped)
        for page in benchmark.read(benchmark.DATA / f"furniture-{name}.txt").values()
        for (furniture, _), dropped in zip(page, benchmark.judge(page, gap), strict=True)
    ]
    assert len(judged) >= 150
    furniture = [dropped for is_one, dropped in judged if is_one]
    sentences = [dropped for is_one, dropped in judged if not is_one]
    assert sum(furniture) >= least * len(furniture)
    assert sum(sentences) <= 0.01 * len(sentences)


ARTICLE = ["Kim Jong Un bertemu Putin di Vladivostok pada hari Rabu.", "Kremlin menolak berkomentar soal isinya.", "Seoul menunggu."]


def kept(lines):
    return [line for line, furniture in zip(lines, mark(lines), strict=True) if not furniture]


def test_short_lines_around_the_article_are_furniture_and_within_it_headings():
    lines = [
        "Kabar Baru",
        "Kim dan Putin Bertemu Lagi",
        "Tirta Wulandari",
        ARTICLE[0],
        "Reaksi Moskow",
        *ARTICLE[1:],
        "kim jong un",
        "Rusia",
    ]
    assert kept(lines) == ["Kim dan Putin Bertemu Lagi", ARTICLE[0], "Reaksi Moskow", *ARTICLE[1:]]


def test_a_document_without_a_sentence_keeps_its_lines():
    assert kept(["Kim tiba", "Putin Murka", "Tags"]) == ["Kim tiba", "Putin Murka"]


def test_headlines_below_the_article_go_once_furniture_has_closed_it():
    headline, last = "Jepang Kirim Tiga Kapal ke Laut Timur", "Jepang sudah mengirim tiga kapal ke Laut Timur"
    assert kept([*ARTICLE, last]) == [*ARTICLE, last]
    assert kept([*ARTICLE, headline]) == ARTICLE
    assert kept([*ARTICLE, "Bagikan", last, "Korut Uji Rudal Lagi Pekan Ini"]) == ARTICLE


def test_a_list_of_headlines_is_no_article():
    headlines = [f"Kim dan Putin Bertemu untuk Kali Ke-{number}" for number in range(9)]
    assert kept([ARTICLE[1], *headlines]) == [ARTICLE[1], *headlines]


def test_a_page_speaking_to_its_reader():
    assert is_furniture("Yuk dukung jurnalisme kami, donasi seikhlasnya lewat tautan ini!")
    assert is_furniture("Nantikan berita terbaru setiap pagi, daftar gratis sekarang.")
    assert not is_furniture("Kirby meminta wartawan membaca artikel itu sebelum bertanya.")
    assert not is_furniture("“Anda boleh membaca berita itu, gratis,” kata Lavrov.")


def test_a_caption_repeated_behind_its_picture():
    headline, caption = "Rusia Veto Panel Ahli Sanksi", "Sidang Dewan Keamanan di New York pekan lalu."
    assert kept([headline, caption, "Foto: EPA", caption, *ARTICLE]) == [headline, *ARTICLE]


def test_headlines_below_a_label_are_furniture_until_the_article_goes_on():
    lines = [ARTICLE[0], "Baca Juga", "Jepang Kirim Tiga Kapal ke Laut Timur", "Siapa Jenderal Baru Korea Utara?", *ARTICLE[1:]]
    assert kept(lines) == ARTICLE


def test_captions_above_the_first_paragraph_and_credits_below_the_last_sentence():
    caption = "Kim Jong Un meninjau pabrik rudal. (KCNA via Reuters)"
    lines = ["Kim Tinjau Pabrik Rudal Baru", caption, *ARTICLE[:2], "“Kami siap,” kata Kim. (AFP/H-3)", ARTICLE[2]]
    assert kept(lines) == [line for line in lines if line != caption]
    rows = [(row.text, row.furniture) for row in split("\n".join(lines)) if "AFP" in row.text]
    assert rows == [("(AFP/H-3)", True)]


def test_a_page_whose_lines_were_run_together():
    text = (
        "Kim Jong Un bertemu Putin di Vladivostok.Baca juga:Jepang kirim kapal perangBaca juga:Seoul gelar latihan tembak\n"
        "Advertisement Kremlin menolak berkomentar soal isinya.\nBaca juga: Siapa Choe? Sosok Menlu Korut Putin memuji Choe.\n"
    )
    assert [row.text for row in split(text) if not row.furniture][:2] == [
        "Kim Jong Un bertemu Putin di Vladivostok.",
        "Kremlin menolak berkomentar soal isinya.",
    ]


def test_a_widget_in_the_first_half_does_not_end_the_article():
    lines = [ARTICLE[0], "Terpopuler", *ARTICLE * 5]
    assert kept(lines) == [ARTICLE[0], *ARTICLE * 5]


BODY = [
    "Jakarta, WartaNusa - Kim Jong Un bertemu Putin di Vladivostok pada hari Rabu, kata kantor berita KCNA.",
    "Kremlin menolak berkomentar soal isi pertemuan yang berlangsung dua jam itu.",
    "“Kami sudah lama bersahabat,” ujar Putin.",
    "Seoul menunggu penjelasan dari Moskow sebelum mengambil sikap.",
]


def test_the_score_drops_what_no_pattern_knows():
    promotion = "Pembaca yang baik, Anda bisa menitipkan kabar kepada kami."
    lines = ["Kim dan Putin Bertemu Lagi", "Jum'at, 15 Agustus 2024", *BODY, "Bagikan", promotion, "Kirim Komentar"]
    by_rules, article = mark_by_rules(lines, _rules())
    assert article
    assert not by_rules[lines.index(promotion)]
    assert kept(lines) == [lines[0], *BODY]


@pytest.mark.parametrize("furniture", ["Baca juga: Jepang Kirim Kapal Perang", "ADVERTISEMENT", "Foto: Reuters"])
def test_the_score_keeps_sentences_and_headings_beside_furniture(furniture):
    lines = ["Kim dan Putin Bertemu Lagi"]
    for block in [*BODY, "Moskow diam.", "Reaksi Tokyo\n“Tidak ada kesepakatan,” katanya.", "1. Gudang Soviet\nIsinya peluru.", *BODY[1:]]:
        lines += [*block.split("\n"), furniture]
    assert kept(lines) == [line for line in lines if line != furniture]


def test_the_score_is_not_asked_without_an_article_or_about_very_long_lines():
    headlines = [f"Pembaca Pilihan Anda Nomor {number}" for number in range(9)]
    assert kept(headlines) == headlines
    long = "Anda bisa membaca artikel ini di situs kami " * 10
    bodies = [*BODY, "Tags", long.strip(), "x" * 500]
    scored = describe(bodies, mark_by_rules(bodies, _rules())[0], _rules().lists, _rules().long)
    assert scored[-2:] == [None, None]


def test_sentences_below_furniture_and_above_the_dateline_are_captions():
    caption, lead = "Kedua pemimpin berjabat tangan di depan kereta hijau.", "Pertemuan itu berlangsung tertutup."
    head = ["Kim dan Putin Bertemu Lagi", lead, "Rabu, 13 September 2023", caption, "(AFP)"]
    assert kept([*head, *BODY]) == [head[0], lead, *BODY]
    # Without a dateline it may be the first paragraph.
    assert caption in kept([*head, *BODY[1:]])


def test_a_question_of_the_article_below_a_list_of_headlines():
    lines = [*BODY, "Baca Juga", "Jepang Kirim Tiga Kapal ke Laut Timur", "Lalu, siapa yang akan menilai sengketa itu?", *BODY[1:]]
    assert kept(lines) == [*BODY, lines[-4], *BODY[1:]]


def test_the_score_is_learned_again_alike_and_finds_furniture_of_outlets_it_has_not_seen(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "benchmarks")
    spec = importlib.util.spec_from_file_location("furniture_score_benchmark", root / "benchmarks/furniture_score.py")
    score = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, spec.name, score)
    spec.loader.exec_module(score)
    pages = {outlet: page for name in score.LEARNED for outlet, page in score.read(score.DATA / f"furniture-{name}.txt").items()}
    texts = score.articles(root / "data/sentences.jsonl")
    found, total = score.draws(pages, texts, 2, 0.35, 0)
    assert total[True, False]
    again, _ = score.draws(pages, texts, 2, 0.35, 0)
    assert found == again
    scores = score.validate(found, 0.3, 4, 4)
    assert (scores == score.validate(again, 0.3, 4, 4)).all()
    hits = [value > 1 for line, value in zip(found, scores, strict=True) if line.furniture]
    lost = [value > 1 for line, value in zip(found, scores, strict=True) if not line.furniture]
    assert sum(hits) > 0.4 * len(hits)
    assert sum(lost) < 0.02 * (total[False, True] + total[False, False])
