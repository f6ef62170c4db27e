"""Every feature a second time: plain loops over plain rows, one feature at a time, for one customer at one moment.

Slow and obvious on purpose. `VERDICTS` holds a function for each feature; those of windowed features take the window,
in days, as their second argument. A value that does not exist is NaN. Here are how much and how often they buy; what,
by which way and when in the year, and the stage, are in `judge_assortment`; service, contacts, advocacy and profit in
`judge_service`.
"""

from __future__ import annotations

from itertools import pairwise
from math import nan
from statistics import median, stdev

from tests.features.known import Known
from tests.features.verdicts import half, over, verdict

from regulars.features.shop import DAY, MONEY, PIECES

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


@verdict
def days_since_second_last_order(k: Known) -> float:
    return days_since_order_from_the_end(k, 2)


@verdict
def days_since_third_last_order(k: Known) -> float:
    return days_since_order_from_the_end(k, 3)


def days_since_order_from_the_end(k: Known, nth: int) -> float:
    times = sorted(order.time for order in k.orders)
    return (k.t - times[-nth]) / DAY if len(times) >= nth else nan


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


@verdict
def recent_orders_share(k: Known) -> float:
    return over(orders(k, 90), orders(k, 180))


@verdict
def basket_trend(k: Known) -> float:
    recent = sum(k.within(line.time, 90) for line in k.sales)
    return over(over(recent, orders(k, 90)), lines_per_order(k))


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


def sold(k: Known, window: int) -> float:
    return sum(line.revenue for line in k.sales if k.within(line.time, window))


@verdict
def recent_revenue_share(k: Known) -> float:
    return over(sold(k, 90), sold(k, YEAR))


@verdict
def order_value_trend(k: Known) -> float:
    return over(over(sold(k, 180) / MONEY, orders(k, 180)), revenue_per_order(k))


@verdict
def largest_order_to_usual(k: Known) -> float:
    return over(max((order.sold for order in k.orders), default=0) / MONEY, revenue_per_order(k))


@verdict
def returned_share_365d(k: Known) -> float:
    return over(-sum(line.revenue for line in k.returns if k.within(line.time, YEAR)), sold(k, YEAR))


@verdict
def discount_share_365d(k: Known) -> float:
    given = sum(line.discount for line in k.sales if k.within(line.time, YEAR))
    return over(given, given + sold(k, YEAR))


@verdict
def discounted_orders_share(k: Known) -> float:
    return over(len({line.order for line in k.sales if line.discount > 0}), len(k.orders))


@verdict
def margin_rate(k: Known) -> float:
    return over(margin_total(k), revenue_total(k)) if revenue_total(k) > 0 else nan


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


@verdict
def longest_gap_days(k: Known) -> float:
    return max(k.gaps(), default=nan)


@verdict
def wait_to_longest_gap(k: Known) -> float:
    return over(days_since_last_order(k), longest_gap_days(k))


@verdict
def shorter_gaps_share(k: Known) -> float:
    if not k.gaps():
        return nan
    wait, last = k.t // DAY - max(k.order_days()), k.gaps()[-20:]
    return sum(gap < wait for gap in last) / len(last)


@verdict
def gap_unevenness(k: Known) -> float:
    pairs = list(pairwise(k.gaps()))
    return over(sum(3_000_000 * (a - b) ** 2 // (a + b) ** 2 for a, b in pairs) / 1_000_000, len(pairs))
