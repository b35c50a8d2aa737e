from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classify.dates import iso_date


@pytest.mark.parametrize(
    ("written", "date"),
    [
        ("2023-09-13", "2023-09-13"),
        ("2023-09-13T07:00:00+07:00", "2023-09-13"),
        ("2023-09-13 07:00:00", "2023-09-13"),
        ("2023/9/3", "2023-09-03"),
        ("2023-09", "2023-09"),
        ("2023", "2023"),
        ("Rabu, 27 Mei 2026 10:26 WIB", "2026-05-27"),
        ("Selasa, 29 Januari 2019 / 11:15 WIB", "2019-01-29"),
        ("Jumat, 1 Agt 2025", "2025-08-01"),
        ("Mon, 03 Aug 2026 19:45:01 +0700", "2026-08-03"),
        ("13+December+2018", "2018-12-13"),
        ("7 Nop. 2011", "2011-11-07"),
        ("26/10/2024 14:42", "2024-10-26"),
        ("10/22/2025 9:54", "2025-10-22"),
        ("02-02-2023", "2023-02-02"),
        # Of two months.
        ("02-10-2023", ""),
        ("30 Februari 2023", ""),
        ("2023-13", ""),
        ("2023-00", ""),
        ("2023-02-30", ""),
        ("positive", ""),
        ("Prabowo, Anies", ""),
        ("12345678", ""),
        ("", ""),
    ],
)
def test_dates_as_outlets_write_them(written, date):
    assert iso_date(written) == date


@given(st.dates(min_value=date(1000, 1, 1)))
def test_iso_stays_iso(day):
    assert iso_date(day.isoformat()) == day.isoformat()
    assert iso_date(f"{day.day}/{day.month}/{day.year}") in (day.isoformat(), "")


@given(st.text(max_size=40))
def test_nothing_is_too_strange(text):
    assert iso_date(iso_date(text)) == iso_date(text)
