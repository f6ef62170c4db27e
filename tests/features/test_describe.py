from __future__ import annotations

from regulars.features.describe import PAGE, describe, markdown
from regulars.features.families import FAMILIES


def test_the_page_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    assert written == markdown(), "write it again: .venv/bin/python -m regulars.features.describe"


def test_a_row_for_every_column() -> None:
    rows = describe([30, 90])
    assert [row.name for row in rows] == [one.name for family in FAMILIES for one in family.features([30, 90])]
    assert next(row for row in rows if row.name == "orders_30d").meaning == "Orders in the last 30 days."


def test_the_windows_of_the_settings_are_the_default() -> None:
    assert {"orders_30d", "orders_90d", "orders_180d", "orders_365d"} <= {row.name for row in describe()}


def test_every_family_says_its_idea() -> None:
    page = markdown()
    assert "## Support load\n\nThe work a customer costs, how it went, and what is open now.\n" in page
    assert page.count("## ") == len(FAMILIES)
