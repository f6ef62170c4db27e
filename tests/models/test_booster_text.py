"""Texts that would end the process inside LightGBM are refused before it sees them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from regulars.models.booster_text import booster_of, check
from regulars.models.trees import Growth


@pytest.fixture(scope="module")
def text() -> str:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(400, 3))
    growth = Growth(inputs, inputs[:, 0] + rng.normal(size=400), 5, {"num_leaves": 7})
    return growth.grow().model_to_string()


def test_a_whole_text_is_read(text: str) -> None:
    found = booster_of(text)
    assert (found.num_trees(), found.num_feature()) == (5, 3)


def test_a_tree_without_a_split_is_whole() -> None:
    flat = Growth(np.zeros((50, 1)), np.ones(50), 2).grow().model_to_string()
    assert booster_of(flat).num_trees() >= 1


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.5, 0.9])
def test_a_cut_text_is_refused(text: str, share: float) -> None:
    trees = text[: text.index("end of trees")]
    with pytest.raises(ValueError, match="another copy"):
        check(trees[: int(len(trees) * share)])


def replaced(text: str, field: str, value: str) -> str:
    """The text with the first entry of a list in its first tree replaced, its length kept true."""
    changed = re.sub(rf"\n{field}=(\S+)", rf"\n{field}={value}", text, count=1)
    longer = len(changed) - len(text)
    return re.sub(r"tree_sizes=(\d+)", lambda found: f"tree_sizes={int(found[1]) + longer}", changed, count=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left_child", "0"),  # its own child: LightGBM would never come back
        ("left_child", "99"),
        ("right_child", "-99"),
        ("split_feature", "3"),  # columns are 0, 1, 2
        ("split_feature", "-1"),
        ("num_leaves", "9"),
        ("threshold", "1.0 2.0"),
        ("leaf_value", "x y"),
    ],
)
def test_a_tree_that_leads_astray_is_refused(text: str, field: str, value: str) -> None:
    check(replaced(text, field, re.search(rf"\n{field}=(\S+)", text)[1]))  # type: ignore[index]
    with pytest.raises(ValueError, match=r"tree 0 of 5 is damaged"):
        check(replaced(text, field, value))
