"""The judge of `judge`, on breadth, channel, season and stage."""

from __future__ import annotations

from datetime import UTC, date, datetime
from math import nan
from statistics import median

from tests.features.judge import YEAR, days_since_last_order, orders, tenure_days
from tests.features.known import Known
from tests.features.verdicts import over, verdict

from regulars.features.shop import DAY, MONEY, NEVER, NONE

# breadth


@verdict
def products_total(k: Known) -> float:
    return len({line.product for line in k.sales} - {NONE})


@verdict
def products(k: Known, window: int) -> float:
    return len({line.product for line in k.sales if k.within(line.time, window)} - {NONE})


@verdict
def new_product_share(k: Known) -> float:
    return over(len(k.firsts()), len(k.sales))


@verdict
def categories_total(k: Known) -> float:
    return len({k.category(line) for line in k.sales} - {NONE})


@verdict
def categories_365d(k: Known) -> float:
    return len({k.category(line) for line in k.sales if k.within(line.time, YEAR)} - {NONE})


@verdict
def new_product_share_90d(k: Known) -> float:
    recent = [line for line in k.sales if k.within(line.time, 90)]
    return over(sum(k.within(line.time, 90) for line in k.firsts()), len(recent))


@verdict
def rebought_share(k: Known) -> float:
    bought = [line.product for line in k.sales if line.product != NONE]
    return over(sum(bought.count(product) > 1 for product in set(bought)), len(set(bought)))


@verdict
def top_product_share(k: Known) -> float:
    return top_share([line.product for line in k.sales])


@verdict
def top_category_share(k: Known) -> float:
    return top_share([k.category(line) for line in k.sales])


def top_share(values: list[int]) -> float:
    return over(max((values.count(value) for value in set(values) - {NONE}), default=0), len(values))


# channel


@verdict
def channels_total(k: Known) -> float:
    return len({order.channel for order in k.orders} - {NONE})


@verdict
def top_channel_share(k: Known) -> float:
    return top_share([order.channel for order in k.orders])


# season


@verdict
def orders_year_ago_next(k: Known, window: int) -> float:
    year_ago = k.t - YEAR * DAY
    return sum(year_ago <= order.time < year_ago + window * DAY for order in k.orders)


@verdict
def revenue_year_ago_next_90d(k: Known) -> float:
    year_ago = k.t - YEAR * DAY
    return sum(line.revenue for line in k.lines if year_ago <= line.time < year_ago + 90 * DAY) / MONEY


@verdict
def days_to_anniversary(k: Known) -> float:
    if not k.orders:
        return nan
    anniversary = min(order.time for order in k.orders)
    while anniversary <= k.t:
        anniversary += YEAR * DAY
    return (anniversary - k.t) / DAY


@verdict
def year_ago_share_next_90d(k: Known) -> float:
    return over(orders_year_ago_next(k, 90), orders(k, YEAR))


@verdict
def days_to_birthday(k: Known) -> float:
    if k.birth_date() == NEVER:
        return nan
    born, today = day_of(k.birth_date()), day_of(k.t)
    coming = (birthday(born, today.year + more) for more in (0, 1))
    return next((day - today).days for day in coming if day >= today)


def birthday(born: date, year: int) -> date:
    leaps = (born.month, born.day) == (2, 29) and (year % 4 != 0 or (year % 100 == 0 and year % 400 != 0))
    return date(year, 3, 1) if leaps else born.replace(year=year)


def day_of(time: int) -> date:
    return datetime.fromtimestamp(time // DAY * DAY / 1_000_000, UTC).date()


@verdict
def day_of_year(k: Known) -> float:
    return day_of(k.t).timetuple().tm_yday


# stage


@verdict
def relationship_stage(k: Known) -> float:
    horizon = k.settings.churn.horizon_days
    if not k.orders:
        return 0
    if days_since_last_order(k) > k.settings.churn.lapse_horizons * horizon:
        return 5
    patience = horizon if not k.gaps() else max(2 * median(k.gaps()), horizon)
    if days_since_last_order(k) > patience:
        return 4
    if len(k.orders) <= 2:
        return 1
    return 3 if len(k.orders) >= 6 and tenure_days(k) - days_since_last_order(k) >= 180 else 2
