"""Reading LightGBM's text only where it is whole.

LightGBM trusts its own files: a text that was cut ends the process (an error on one of its threads has nobody to catch
it), and a tree whose node is its own child never ends. A bundle may come from anybody, so the shape of every tree is
checked before LightGBM sees it: the header says how long each tree's text is; a node's children come after it, so
there is no way back; and every list is as long as the number of leaves demands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import lightgbm as lgb

_OF_NODES = ("split_feature", "threshold", "decision_type", "left_child", "right_child")


def booster_of(text: str) -> lgb.Booster:
    """The booster that a text describes.

    Raises:
        ValueError: if the text is not whole; the message says where.
    """
    check(text)
    import lightgbm as lgb

    return lgb.Booster(model_str=text)


def check(text: str) -> None:
    """Raises `ValueError` where a text is not that of a whole booster."""
    header, first, _ = text.partition("\n\n\nTree=0\n")
    if not first:
        header, first, _ = text.partition("\n\nTree=0\n")
    told = _fields(header)
    try:
        features, sizes = int(told["max_feature_idx"]), [int(size) for size in told["tree_sizes"].split()]
    except (KeyError, ValueError) as error:
        raise ValueError(f"the trees' text has no usable header ({error}); train again or take another copy") from error
    at = len(header) + len(first) - len("Tree=0\n")
    for number, size in enumerate(sizes):
        tree = text[at : at + size]
        if size <= 0 or len(tree) < size or not tree.startswith(f"Tree={number}\n") or not _sound(tree, features):
            raise ValueError(f"tree {number} of {len(sizes)} is damaged; train again or take another copy")
        at += size
    if not sizes or not text.startswith("end of trees", at):
        raise ValueError("the trees' text does not end where it should; train again or take another copy")


def _sound(tree: str, features: int) -> bool:
    """Whether a tree's lists are as long as they should be, and its nodes lead downwards to leaves."""
    told = _fields(tree)
    try:
        leaves = int(told["num_leaves"])
        if leaves < 1 or len(told["leaf_value"].split()) != leaves:
            return False
        if leaves == 1:
            return True
        nodes = {name: [float(value) for value in told[name].split()] for name in _OF_NODES}
    except (KeyError, ValueError):
        return False
    downwards = all(
        child.is_integer() and (-leaves <= child < 0 or node < child < leaves - 1)
        for side in ("left_child", "right_child")
        for node, child in enumerate(nodes[side])
    )
    known = all(column.is_integer() and 0 <= column <= features for column in nodes["split_feature"])
    return downwards and known and all(len(values) == leaves - 1 for values in nodes.values())


def _fields(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in text.splitlines())}
