"""Every feature a second time: plain loops over plain rows, one feature at a time, for one customer at one moment.

Slow and obvious on purpose. `VERDICTS` holds a function for each feature; those of windowed features take the window,
in days, as their second argument. A value that does not exist is NaN. Here are the features of buying; those of
service, contacts and advocacy, and profit, are in `judge_service`.
"""

from __future__ import annotations

from math import nan
from statistics import median, stdev

from tests.features.known import Known
from tests.features.verdicts import half, over, verdict

from regulars.features.shop import DAY, MONEY, NONE, PIECES

YEAR = 365


# recency


@verdict
def days_since_last_order(k: Known) -> float:
    return k.days_since([order.time for order in k.orders])


@verdict
def days_since_last_return(k: Known) -> float:
    return k.days_since([line.time for line in k.returns])


@verdict
def days_since_new_product(k: Known) -> float:
    return k.days_since([line.time for line in k.firsts()])


# frequency


@verdict
def orders_total(k: Known) -> float:
    return len(k.orders)


@verdict
def orders(k: Known, window: int) -> float:
    return sum(k.within(order.time, window) for order in k.orders)


@verdict
def lines_total(k: Known) -> float:
    return len(k.sales)


@verdict
def lines_per_order(k: Known) -> float:
    return over(len(k.sales), len(k.orders))


@verdict
def orders_decayed_60d(k: Known) -> float:
    return sum(half((k.t - order.time) / (60 * DAY)) for order in k.orders)


@verdict
def orders_decayed_180d(k: Known) -> float:
    return sum(half((k.t - order.time) / (180 * DAY)) for order in k.orders)


# tenure


@verdict
def tenure_days(k: Known) -> float:
    return (k.t - min(order.time for order in k.orders)) / DAY if k.orders else nan


@verdict
def active_span_share(k: Known) -> float:
    if not k.orders:
        return nan
    first, last = min(order.time for order in k.orders), max(order.time for order in k.orders)
    return (last - first) / (k.t - first)


@verdict
def orders_per_month(k: Known) -> float:
    return over(len(k.orders), max(tenure_days(k) / 30, 1)) if k.orders else nan


# money


@verdict
def revenue(k: Known, window: int) -> float:
    return sum(line.revenue for line in k.lines if k.within(line.time, window)) / MONEY


@verdict
def margin(k: Known, window: int) -> float:
    return sum(line.margin for line in k.lines if k.within(line.time, window)) / MONEY


@verdict
def revenue_total(k: Known) -> float:
    return sum(line.revenue for line in k.lines) / MONEY


@verdict
def margin_total(k: Known) -> float:
    return sum(line.margin for line in k.lines) / MONEY


@verdict
def revenue_per_order(k: Known) -> float:
    return over(sum(line.revenue for line in k.sales) / MONEY, len(k.orders))


@verdict
def margin_per_order(k: Known) -> float:
    return over(margin_total(k), len(k.orders))


@verdict
def last_order_revenue(k: Known) -> float:
    last = None
    for order in k.orders:
        if last is None or order.time >= last.time:
            last = order
    return nan if last is None else last.sold / MONEY


@verdict
def dearest_line(k: Known) -> float:
    return max((line.revenue for line in k.sales), default=0) / MONEY


@verdict
def last_order_to_usual(k: Known) -> float:
    return over(last_order_revenue(k), revenue_per_order(k))


@verdict
def returned_share(k: Known) -> float:
    return over(-sum(line.revenue for line in k.returns), sum(line.revenue for line in k.sales))


@verdict
def discount_share(k: Known) -> float:
    given = sum(line.discount for line in k.sales)
    return over(given, given + sum(line.revenue for line in k.sales))


@verdict
def revenue_per_piece(k: Known) -> float:
    pieces = sum(line.quantity for line in k.sales) / PIECES
    return over(sum(line.revenue for line in k.sales) / MONEY, pieces)


# rhythm


@verdict
def usual_gap_days(k: Known) -> float:
    return median(k.gaps()) if k.gaps() else nan


@verdict
def mean_gap_days(k: Known) -> float:
    return over(sum(k.gaps()), len(k.gaps()))


@verdict
def gap_spread(k: Known) -> float:
    return over(stdev(k.gaps()), mean_gap_days(k)) if len(k.gaps()) > 1 else nan


@verdict
def churn_factor(k: Known) -> float:
    return over(days_since_last_order(k), usual_gap_days(k))


@verdict
def overdue(k: Known) -> float:
    if len(k.gaps()) < 2:
        return nan
    return over(days_since_last_order(k) - mean_gap_days(k), stdev(k.gaps()))


@verdict
def gap_trend(k: Known) -> float:
    last_three = k.gaps()[-3:]
    return over(over(sum(last_three), len(last_three)), mean_gap_days(k))


@verdict
def order_days_total(k: Known) -> float:
    return len(k.order_days())


@verdict
def order_days_365d(k: Known) -> float:
    return len(k.order_days(YEAR))


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
