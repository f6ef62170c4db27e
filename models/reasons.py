"""Reasons in words: what pushed a customer's chance of churn up or down, with the numbers behind it.

Columns that say nearly the same share their push at random between them, so pushes are added up by theme (the
family of the feature) before the strongest are chosen, and each theme has one sentence that says it in the numbers
a shopkeeper would use. A feature of the shop's own is a theme for itself, told in the words of its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from regulars.features.families import FAMILIES
from regulars.features.table import FeatureTable

F64 = NDArray[np.float64]
Row = Mapping[str, float]

FAMILY_THEMES = {"frequency": "rhythm", "recency": "rhythm", "stage": "rhythm"}
"""Families told as another theme: last order, usual gap, number of orders and stage are one story."""
COLUMNS = {
    "returned_share": "returns",
    "returned_share_365d": "returns",
    "discount_share": "discounts",
    "discount_share_365d": "discounts",
    "discounted_orders_share": "discounts",
    "days_to_birthday": "birthday",
    "days_since_last_return": "returns",
    "days_since_last_order_then": "rhythm",
    "order_chance_bgnbd": "rhythm",
    "season_sine": "season",
    "season_cosine": "season",
    "year_ago_lift": "season",
    "contract_days": "contract",
    "contract_days_then": "contract",
    "cancel_chance_by_tenure": "contract",
}
"""Themes of columns that are told apart from their family, or made by a model; 'interval' is not told."""
WINDOW = re.compile(r"_\d+d$")
NO_SUPPORT = "never needed support"
"""Told as what lowers the risk, or as what is known; that nothing happened is no bad experience."""
THE_SEASON = "the shop's season at this time of the year"
"""Told as what moves the risk only; it is no news of a customer."""
LONG_WAIT_DAYS = 3.0
"""Days that a ticket was open from which on they are told."""
UNNOTICED = 0.02
"""A push on the log odds too small to be called one."""


def churn_reasons(table: FeatureTable, names: tuple[str, ...], push: F64, top: int) -> list[list[str]]:
    """The strongest themes of each row, in words.

    Args:
        table: (n) rows, for the numbers in the sentences.
        names: names of the columns of `push`.
        push: (n, len(names)) what each column added to the log odds of churn.
        top: how many.

    Returns:
        n lists of `top` sentences; where fewer themes pushed, what is known of the customer fills them up.
    """
    told = {name: theme_of(name) or _own_theme(name, table.names) for name in names}
    themes = np.array([told[name] for name in names], dtype=np.str_)
    known = [theme for theme in dict.fromkeys([*SENTENCES, *told.values()]) if theme and theme in themes]
    pushes = np.zeros((len(table), len(known)))
    for k, theme in enumerate(known):
        pushes[:, k] = push[:, themes == theme].sum(axis=1)
    strongest = np.argsort(-np.abs(pushes), axis=1, kind="stable")
    found = []
    for values, mine, order in zip(table.values.tolist(), pushes.tolist(), strongest.tolist(), strict=True):
        row = dict(zip(table.names, values, strict=True))
        found.append(_sentences(row, [(known[k], mine[k]) for k in order], top))
    return found


def contract_reasons(
    table: FeatureTable, contract_days: F64, names: tuple[str, ...], push: F64, top: int
) -> list[list[str]]:
    """The same for the chance of cancelling contracts that have run for `contract_days` (n,)."""
    values = np.column_stack([table.values, contract_days])
    told = FeatureTable(table.customer, table.moment, (*table.names, "contract_days"), values, table.context)
    return churn_reasons(told, names, push, top)


def _sentences(row: Row, ranked: list[tuple[str, float]], top: int) -> list[str]:
    found: dict[str, str] = {}
    for theme, push in [*ranked, *((theme, 0.0) for theme in SENTENCES)]:
        text = SENTENCES[theme](row) if theme in SENTENCES else _own(theme, row)
        empty = (text == NO_SUPPORT and push >= UNNOTICED) or (text == THE_SEASON and abs(push) < UNNOTICED)
        if text and text not in found and not empty:
            found[text] = _effect(push)
        if len(found) >= top:
            break
    return [text + effect for text, effect in found.items()]


def _effect(push: float) -> str:
    if abs(push) < UNNOTICED:
        return ""
    return " (raises the risk)" if push > 0 else " (lowers the risk)"


@cache
def _families() -> dict[str, str]:
    """Family of each feature, by its name without a window."""
    features = [feature for family in FAMILIES for feature in family.features((1,))]
    return {feature.name.removesuffix("_1d"): feature.family for feature in features}


def theme_of(column: str) -> str:
    """The theme under which a column is told; '' for one that is not told."""
    families = _families()
    family = families.get(column) or families.get(WINDOW.sub("", column), "")
    return COLUMNS.get(column) or FAMILY_THEMES.get(family, family)


def _own_theme(column: str, features: tuple[str, ...]) -> str:
    """The theme of a shop's own feature: itself, whatever its window; '' for a column that is no feature."""
    return WINDOW.sub("", column) if column in features else ""


def _own(theme: str, row: Row) -> str:
    """A shop's own feature in the words of its name: 'pages read in 30 days: 12'."""
    column = next(name for name in row if WINDOW.sub("", name) == theme)
    value, window = _value(row, column), WINDOW.search(column)
    name = theme.replace("_", " ") + (f" in {window[0][1:-1]} days" if window else "")
    return f"{name}: {'not known' if value is None else f'{value:,.4g}'}"


def _value(row: Row, name: str) -> float | None:
    value = row.get(name)
    return None if value is None or np.isnan(value) else value


def count(number: float, one: str, many: str | None = None) -> str:
    """'1 order', '2 orders'."""
    return f"{number:,.0f} {one if round(number) == 1 else many or one + 's'}"


def _rhythm(row: Row) -> str:
    since, gap, orders = (_value(row, name) for name in ("days_since_last_order", "usual_gap_days", "orders_total"))
    if since is None:
        return "no order yet"
    text = f"last order {count(since, 'day')} ago"
    if gap is not None:
        waits, longest = _value(row, "wait_to_longest_gap"), _value(row, "longest_gap_days")
        never = f", never so long: the longest gap was {longest:,.0f}" if longest and waits and waits > 1 else ""
        return f"{text}; usually every {gap:,.0f}{never}"
    return f"{text}; {count(orders or 0, 'order')} so far"


def _tenure(row: Row) -> str:
    days, orders = _value(row, "tenure_days"), _value(row, "orders_total")
    if days is None:
        return ""
    since = f"{days / 365:.1f} years" if days >= 730 else f"{count(days / 30.4, 'month')}"
    return f"customer for {since}, {count(orders or 0, 'order')} so far"


def _contract(row: Row) -> str:
    days = _value(row, "contract_days")
    if days is None:
        return ""
    if days < 61:
        return f"under contract for {count(days, 'day')}"
    return f"under contract for {f'{days / 365:.1f} years' if days >= 730 else count(days / 30.4, 'month')}"


def _money(row: Row) -> str:
    last, usual = _value(row, "last_order_revenue"), _value(row, "revenue_per_order")
    if last is None or usual is None:
        return ""
    return f"the last order was worth {last:,.0f}, usually {usual:,.0f}"


def _breadth(row: Row) -> str:
    products, top = _value(row, "products_total"), _value(row, "top_product_share")
    if not products:
        return ""
    mostly = ", mostly one of them" if products > 1 and top is not None and top > 0.5 else ""
    return f"bought {count(products, 'different product')} so far{mostly}"


def _discounts(row: Row) -> str:
    share = _value(row, "discounted_orders_share")
    return f"{share:.0%} of their orders had a discount" if share is not None else ""


def _channel(row: Row) -> str:
    channels, share = _value(row, "channels_total"), _value(row, "top_channel_share")
    if not channels or share is None:
        return ""
    if channels <= 1:
        return "always orders by the same channel"
    return f"orders through {count(channels, 'channel')}, {share:.0%} of the time through one"


def _birthday(row: Row) -> str:
    days = _value(row, "days_to_birthday")
    return f"birthday in {count(days, 'day')}" if days is not None else ""


def _season(row: Row) -> str:
    orders = next((v for k, v in row.items() if k.startswith("orders_year_ago_next_90")), None)
    if orders:
        return f"{count(orders, 'order')} in the same 90 days last year"
    return THE_SEASON


def _returns(row: Row) -> str:
    share = _value(row, "returned_share")
    return f"{share:.0%} of what they bought came back" if share else ""


def _support(row: Row) -> str:
    unanswered = _value(row, "unanswered_days")
    if unanswered is not None:
        return f"a ticket unanswered for {count(unanswered, 'day')}"
    opened, age = _value(row, "tickets_open"), _value(row, "oldest_open_ticket_days")
    if opened and age is not None:
        return f"{count(opened, 'ticket')} open for {count(age, 'day')}"
    bad, took = _value(row, "days_since_bad_experience"), _value(row, "last_resolution_days")
    waited = f"; the last ticket took {count(took, 'day')}" if took is not None and took >= LONG_WAIT_DAYS else ""
    if bad is not None:
        return f"a complaint, reopened ticket or bad rating {count(bad, 'day')} ago{waited}"
    tickets, satisfaction = _value(row, "tickets_total"), _value(row, "satisfaction")
    if tickets is None:
        return ""  # no support table: nobody knows
    if not tickets:
        return NO_SUPPORT
    rated = f", satisfaction {satisfaction:.1f} of 5" if satisfaction is not None else ""
    return f"{count(tickets, 'support ticket')} so far{rated}{waited}"


def _contacts(row: Row) -> str:
    ignored, since = _value(row, "ignored_in_a_row"), _value(row, "days_since_contact")
    if since is None:
        return "never contacted"
    if ignored and ignored > 1:
        return f"no order after the last {count(ignored, 'contact')}"
    answered = _value(row, "answered_share")
    often = f"; {answered:.0%} of earlier contacts were followed by an order" if answered is not None else ""
    return f"contacted {count(since, 'day')} ago{often}"


def _advocacy(row: Row) -> str:
    made = _value(row, "referrals_made")
    if made:
        return f"recommended the shop {count(made, 'time')}"
    return "came on another customer's recommendation" if _value(row, "was_referred") else ""


def _profit(row: Row) -> str:
    profit = _value(row, "profit_total")
    return f"profit of {profit:,.0f} so far, service counted" if profit is not None else ""


SENTENCES: Mapping[str, Callable[[Row], str]] = {
    "contract": _contract,
    "rhythm": _rhythm,
    "support_load": _support,
    "season": _season,
    "money": _money,
    "tenure": _tenure,
    "breadth": _breadth,
    "returns": _returns,
    "discounts": _discounts,
    "channel": _channel,
    "contacts": _contacts,
    "advocacy": _advocacy,
    "profit": _profit,
    "birthday": _birthday,
}
"""Theme to sentence; an empty sentence means that there is nothing to say."""
