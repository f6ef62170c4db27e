"""Families of features, a file each; `FAMILIES` is the order of their columns."""

from __future__ import annotations

from regulars.features.define import Family
from regulars.features.families.advocacy import advocacy
from regulars.features.families.breadth import breadth
from regulars.features.families.channel import channel
from regulars.features.families.contacts import contacts
from regulars.features.families.frequency import frequency
from regulars.features.families.money import money
from regulars.features.families.profit import profit
from regulars.features.families.recency import recency
from regulars.features.families.rhythm import rhythm
from regulars.features.families.season import season
from regulars.features.families.stage import stage
from regulars.features.families.support_load import support_load
from regulars.features.families.tenure import tenure

FAMILIES: tuple[Family, ...] = (
    recency,
    frequency,
    tenure,
    money,
    rhythm,
    breadth,
    channel,
    season,
    support_load,
    contacts,
    advocacy,
    profit,
    stage,
)
