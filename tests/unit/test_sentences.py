import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classify.sentences import split, split_line

# Arbitrary characters (all but surrogates, which no decoded file holds), thickened with what splitting turns on.
marks = [". ", ".", "?", "!", "...", "…", "。", '."', ".”", "“", '"', "'", "(", ")", ";", "-", " – ", "1. ", "No. ", "Dr. ", "A. "]
gaps = ["\r\n", "\n", "\r", "\n\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u00a0", "\u3000", " ", "  ", "\t"]
sites = ["com", "tempo.co", "10.30 WIB", "(foto: X)", "Jakarta - ", "Tags:"]
words = ["Kim", "Putin tiba", "rudal", "Tags\n", "Baca juga: ", "Editor: X\n", "한국", "العربية", "ﬁ", "İ", "e\u0301", "\u0301"]
oddities = ["🚀", "👩‍🚀", "🇰🇵", "\u202e", "\ufeff", "\u200b", "\0"]
pieces = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from([*marks, *gaps, *sites, *words, *oddities])


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(pieces, max_size=40).map("".join))
def test_offsets_are_exact_and_nothing_but_white_space_is_lost(text):
    end = 0
    whole = ""
    for sentence in split(text):
        assert sentence.start >= end
        assert text[sentence.start : sentence.end] == sentence.text
        assert sentence.text
        assert sentence.text == sentence.text.strip()
        assert len(sentence.text.splitlines()) == 1
        assert not text[end : sentence.start].strip()
        whole += text[end : sentence.start] + sentence.text
        end = sentence.end
    assert not text[end:].strip()
    assert whole + text[end:] == text


@pytest.mark.parametrize("window", [1000, 7])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(line=st.lists(pieces, max_size=20).map("".join))
def test_splitting_one_line_loses_nothing_either(window, line):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("classify.sentences.WINDOW", window)
        spans = split_line(line)
    assert all(begin < end for begin, end in spans)
    assert all(end <= begin for (_, end), (begin, _) in zip(spans, spans[1:], strict=False))
    outside = "".join(line[end:begin] for end, begin in zip([0, *(e for _, e in spans)], [*(b for b, _ in spans), len(line)], strict=True))
    assert not outside.strip()


@pytest.mark.parametrize(
    "sentences",
    [
        # plain
        ["Kim tiba di Moskow.", "Putin menyambutnya!", "Apa hasilnya?", "Belum jelas."],
        ["Kim datang... lalu pergi.", "Benar?!", "Ya."],
        ["Rapat usai pada malam hari.", "Ia bertemu Kim, Putin.", "Lalu ia pulang."],
        # abbreviations, titles, initials
        ["Menurut Prof. Budi, rudal itu gagal.", "Letjen. Agus setuju."],
        ["Kim bertemu dr. Andi di Jl. Merdeka No. 5 pada pukul 10.30 WIB.", "Ia pulang."],
        ["PT. Maju Bersama dan CV. Jaya kena sanksi.", "Keduanya membantah."],
        ["Juru bicara J. Kirby menuduh S. Lavrov.", "Kim J. Un diam."],
        ["Surat tgl. 5 Mei itu dimuat di hlm. 7 koran itu.", "Isinya pendek."],
        ["Rapat dihadiri Kim, Putin, dkk. di Vladivostok.", "Mereka sepakat."],
        ["Bank itu bernama PT Bank Maju Tbk.", "Sanksinya berat."],
        ["Menurut Tn. Moh. Hatta dan Ny. Sri, surat a.n. Drs. Budi berlaku s.d. Mei.", "Mereka menunggu."],
        ["Atase pertahanan Kolonel Inf. Budi dan Kolonel Pnb. Agus hadir.", "Letkol Czi. Rudi absen."],
        ["Bukti itu dibawa Budi, S.H., M.Si. dan Sri, S.H. M.Hum. ke Seoul.", "Keduanya diam."],
        ["Rombongan dipimpin P.M. Ali dan B.J. Habibie.", "Mereka tiba malam."],
        ["Virus itu digolongkan ke kelompok A.", "Namun, Seoul tidak percaya."],
        ["Ia menyebut berbagai hal.", "Presiden mendengarkan di hal. 12 laporan itu."],
        ["Presiden Ferdinand Marcos Jr. menolak.", "Seoul lega."],
        # numbers, dates, times, domains
        ["Nilainya 1.500.000 rupiah atau naik 2.5 persen.", "Angka itu dibantah."],
        ["Keduanya bersua pada Rabu (13/9/2023).", "Isinya rahasia."],
        ["Warta itu dimuat kcna.kp dan tempo.co pada Senin.", "Kompas.com menulis hal sama."],
        ["Rudal itu bernama Hwasong-17.", "Jangkauannya jauh."],
        ["Ada 11.000 kontainer pada pukul 17.23 WIB.", "Kapal tiba jam 21. 30 WIB di dermaga."],
        ["Kapal membawa 2.904. 678 peluru.", "Semua hilang."],
        # a sentence without its capital
        ["Rapat itu berlangsung sejak 1879.", "atau begitulah kata Lavrov."],
        ["Kenapa Kremlin diam?", "karena tidak ada bukti."],
        # datelines
        ["TRIBUNNEWS. COM, MOSKOW - Kim tiba.", "Putin menyambutnya."],
        ["AYOSEMARANG.COM - Kim tiba di Moskow.", "Putin menyambutnya."],
        ["Jakarta - Kim tiba di Moskow.", "Putin menyambutnya."],
        ["JAKARTA, CakrawalaNews.com - Kim tiba di Moskow.", "Putin menyambutnya."],
        ["CakrawalaNews.com, Jakarta. Kim tiba di Moskow.", "Putin menyambutnya."],
        ["CAKRAWALA - MOSKOW. Kim tiba di Moskow.", "Putin menyambutnya."],
        # quotations
        ['"Kami menolak," kata Lavrov.', '"Itu bohong."'],
        ["“Kami menolak. Itu bohong,” kata Lavrov.", "Ia lalu pergi."],
        ["“Apa buktinya?” tanya Peskov.", "Ia tertawa."],
        ["Kirby berkata: “Kami punya bukti.”", "Ia menolak merinci."],
        ['"Siapa saksinya? Kami punya," kata Kirby.', "Ia pergi."],
        ["Lavrov (ia tiba sendiri. Tanpa ajudan.) menolak bicara.", "Ia lelah."],
        ['Layar 5" itu pecah.', "Ia marah.", '"Kami menolak," katanya.', "Lalu ia pergi."],
        ['"Kami tidak pernah menjual peluru.', "Tidak sebutir pun.", "Moskow tahu itu."],
        ["Kim datang… lalu pergi.", "Putin terdiam...", "Lalu ia tertawa."],
        # numbered headings
        ["1. AS yakin Rusia merayu Pyongyang"],
        ["12. Putin terbang ke Hanoi.", "Ia disambut presiden."],
    ],
    ids=lambda sentences: sentences[0][:30],
)
def test_sentence_boundaries_of_indonesian_news(sentences):
    line = " ".join(sentences)
    assert [line[begin:end] for begin, end in split_line(line)] == sentences


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("Kim tiba di Moskow.Putin menyambutnya.", ["Kim tiba di Moskow.", "Putin menyambutnya."]),
        ("Benarkah itu?Kremlin diam.", ["Benarkah itu?", "Kremlin diam."]),
        ("“Kami menolak.”Lavrov lalu pergi.", ["“Kami menolak.”", "Lavrov lalu pergi."]),
        ("Ia membantah.“Kami tidak menjual senjata.”", ["Ia membantah.", "“Kami tidak menjual senjata.”"]),
        ("“Siap,” kata dia.Selain itu, Seoul diam.", ["“Siap,” kata dia.", "Selain itu, Seoul diam."]),
        ("Mereka bertemu (13/6/2023).Selain itu, Seoul diam.", ["Mereka bertemu (13/6/2023).", "Selain itu, Seoul diam."]),
        ("“Kami menolak.Itu bohong,” kata Lavrov.", ["“Kami menolak.Itu bohong,” kata Lavrov."]),
        ("Warta Kompas.Com menyebut hal itu.", ["Warta Kompas.Com menyebut hal itu."]),
        ("Harganya Rp.500 ribu per butir.", ["Harganya Rp.500 ribu per butir."]),
        ("Moskow membeli dari KOMID.Korp dan lain-lain.", ["Moskow membeli dari KOMID.Korp dan lain-lain."]),
    ],
)
def test_a_missing_space_after_a_full_stop(line, sentences):
    assert [line[begin:end] for begin, end in split_line(line)] == sentences


def test_a_line_end_always_ends_a_sentence():
    text = "Judul tanpa titik\nKalimat pertama belum\r\nselesai dr.\u2028Andi."
    assert [s.text for s in split(text)] == ["Judul tanpa titik", "Kalimat pertama belum", "selesai dr.", "Andi."]


@pytest.mark.parametrize("text", ["", " ", "\n\r\n\t\u2028\u00a0"])
def test_nothing_gives_no_sentences(text):
    assert list(split(text)) == []


def test_a_stray_mark_stays_with_its_sentence():
    line = 'Kami menolak. " Putin diam.'
    assert [line[begin:end] for begin, end in split_line(line)] == ['Kami menolak. "', "Putin diam."]


def test_a_quotation_too_long_for_a_sentence_is_split_inside():
    line = "“" + "Kami menolak tuduhan itu. " * 40 + "Itu bohong,” kata Lavrov."
    assert len(split_line(line)) == 41


@pytest.mark.parametrize(
    "line",
    ["kata " * 60_000, "." * 300_000, ". " * 150_000, "“" * 300_000, "“a. B " * 20_000, "(a. B " * 20_000, "'" * 300_000, "A. " * 40_000],
    ids=["no full stop", "full stops", "spaced stops", "open quotations", "nested", "nested brackets", "apostrophes", "initials"],
)
def test_a_hostile_line_takes_linear_time(line):
    # The library alone takes minutes for some of these.
    spans = split_line(line)
    assert spans
    assert spans[0][0] == 0
    assert spans[-1][1] == len(line.rstrip())


def test_a_long_indent_or_a_long_line_does_not_take_forever():
    begin = time.perf_counter()
    assert len(list(split(" " * 20_000 + "a b c" + " " * 20_000 + "\n" + "!" * 20_000 + "a\n"))) >= 2
    line = "Kim Jong Un bertemu Putin di Moskow pada hari Rabu yang dingin. " * 8000
    assert len(split_line(line)) == 8000
    # A second or two at most anywhere; patterns that backtrack take hours.
    assert time.perf_counter() - begin < 30
