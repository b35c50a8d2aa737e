from classify.copies import Copies, digest, trigrams

FIRST = "Kremlin membantah membeli peluru artileri dari Pyongyang pada bulan lalu."
ALMOST = "Kremlin membantah membeli peluru artileri dari Pyongyang pada bulan lalu, Selasa."
OTHER = "Harga beras di pasar induk naik dua ratus rupiah sejak pekan lalu."


def test_spellings_of_one_sentence_have_one_digest():
    assert digest("  Kim\u00a0TIBA  di  Moskow ") == digest("kim tiba di moskow")
    assert digest("Kim tiba.") != digest("Kim tiba")


def test_near_copies_are_found_whichever_came_first():
    for one, other in ((FIRST, ALMOST), (ALMOST, FIRST), (FIRST, FIRST.upper())):
        copies = Copies()
        copies.add(OTHER)
        assert not copies.near(one)
        copies.add(one)
        assert copies.near(other)
    assert not Copies().near(FIRST)


def test_the_smaller_sentence_decides():
    copies = Copies()
    copies.add(f"{OTHER} {FIRST}")
    assert copies.near(FIRST)
    shared = len(trigrams(FIRST) & trigrams(f"{OTHER} {FIRST}"))
    assert shared == len(trigrams(FIRST))


def test_short_texts_are_copies_of_themselves_only():
    copies = Copies()
    copies.add("Kim tiba")
    assert copies.near("kim TIBA")
    assert not copies.near("Kim pergi")
