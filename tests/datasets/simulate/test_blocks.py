"""A shop of many blocks: the same bytes with any number of jobs, ids of its own, and the statistics of one block."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from regulars.cli.place import Place
from regulars.datasets.simulate import (
    ShopParameters,
    SimulatedShop,
    simulate_shop,
    write_shop,
    write_simulated_shop,
)
from regulars.datasets.simulate.blocks import Block, blocks_of
from regulars.datasets.simulate.shop import block_frames, lay_foundation
from regulars.datasets.writing import LoadError
from regulars.features.reading import read_shop
from regulars.features.settings import Settings

SMALL = ShopParameters(customers=70, history_days=300)
BLOCK = 30
WHOLE = {"products", "seasons", "sequences", "accessories"}
"""Of tables and truth: what is not by customer, and stays one file."""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts") / "shop"
    write_simulated_shop(SMALL, 5, folder, block_customers=BLOCK)
    return folder


@pytest.fixture(scope="module")
def in_memory() -> SimulatedShop:
    return simulate_shop(SMALL, 5, block_customers=BLOCK)


@pytest.fixture(scope="module")
def many() -> SimulatedShop:
    """As many customers as the shop of one block that the other tests share, in four blocks."""
    return simulate_shop(ShopParameters(customers=4_000), seed=11, block_customers=1_000)


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_blocks_are_few_and_of_like_size() -> None:
    assert blocks_of(25_000) == (Block(0, 1, 0, 25_000, 25_000),)
    assert [(block.first_customer, block.customers) for block in blocks_of(70, 30)] == [(0, 23), (23, 23), (46, 24)]
    assert [block.customers for block in blocks_of(25_001)] == [12_500, 12_501]
    with pytest.raises(ValueError, match="block_customers is 0"):
        blocks_of(5, 0)


def test_bytes_do_not_depend_on_jobs(parts: Path, tmp_path: Path) -> None:
    write_simulated_shop(SMALL, 5, tmp_path / "shop", jobs=2, block_customers=BLOCK)
    hashes = _hashes(parts)
    assert len(hashes) > 30
    assert _hashes(tmp_path / "shop") == hashes


def test_a_table_is_a_folder_of_parts(parts: Path) -> None:
    names = ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    for folder in (parts, parts / "truth"):
        for path in folder.iterdir():
            if path.is_dir() and path.name != "truth":
                assert sorted(part.name for part in path.iterdir()) == names
    assert {path.stem for path in parts.rglob("*.parquet") if not path.stem.startswith("part-")} == WHOLE
    assert json.loads((parts / "truth" / "parameters.json").read_text())["blocks"] == 3
    assert Place(parts).is_simulated


def test_what_is_written_is_the_shop_in_memory(parts: Path, in_memory: SimulatedShop) -> None:
    for folder, frames in ((parts, in_memory.tables), (parts / "truth", in_memory.truth)):
        for name, frame in frames.items():
            files = [folder / f"{name}.parquet"] if name in WHOLE else sorted((folder / name).iterdir())
            assert_frame_equal(pd.concat(map(pd.read_parquet, files), ignore_index=True), frame)


def test_parts_are_read_as_a_shop(parts: Path, in_memory: SimulatedShop) -> None:
    reading = read_shop(parts, Settings())
    assert reading.of("error", "bad_rows") == ()
    assert reading.shop is not None
    assert len(reading.shop.orders) == len(in_memory.orders)
    assert len(reading.shop.customer_ids) == SMALL.customers


def test_a_block_knows_nothing_of_the_others(in_memory: SimulatedShop) -> None:
    """The last block alone, without the ones before it, is what it was among them."""
    last = block_frames(lay_foundation(SMALL, 5), blocks_of(70, BLOCK)[2])
    for name, frame in last.tables.items():
        assert_frame_equal(frame, in_memory.tables[name].tail(len(frame)).reset_index(drop=True))


def test_ids_are_unique_and_of_one_width(many: SimulatedShop) -> None:
    customers = many.truth["customers"]["customer_id"]
    assert customers.is_unique
    assert customers.tolist() == [f"C{number:06d}" for number in range(1, 4_001)]
    assert many.truth["tickets"]["ticket_id"].is_unique
    lines = pd.concat([many.orders, many.truth["future_orders"]])
    whose = lines.drop_duplicates(["order_id", "customer_id"])
    assert whose["order_id"].is_unique
    assert set(lines["order_id"].str.len()) == {9}
    assert set(lines["order_id"].str[:2]) == {f"O{block}" for block in range(1, 5)}
    assert set(many.truth["tickets"]["order_id"]) <= set(whose["order_id"])


def test_wide_shops_have_wide_ids() -> None:
    block = Block(number=199, count=200, first_customer=4_975_000, customers=40, shop_customers=5_000_000)
    frames = block_frames(lay_foundation(replace(SMALL, customers=5_000_000), 5), block, with_truth=False)
    assert frames.tables["customers"]["customer_id"].iloc[0] == "C4975001"
    assert frames.tables["orders"]["order_id"].min() == "O2000000001"


def test_referrals_stay_within_a_block(many: SimulatedShop) -> None:
    referrals = many.advocacy[many.advocacy["kind"] == "referral"]
    assert len(referrals) > 200
    block = [(referrals[name].str[1:].astype(int) - 1) // 1_000 for name in ("customer_id", "new_customer_id")]
    assert block[0].equals(block[1])


def test_blocks_differ(many: SimulatedShop) -> None:
    rates = many.truth["customers"]["buying_rate_per_day"].to_numpy().reshape(4, 1_000)
    assert len(np.unique(rates)) == 4_000
    assert np.abs(np.corrcoef(rates) - np.eye(4)).max() < 0.2


def test_the_whole_shop_is_drawn_once(shop: SimulatedShop, many: SimulatedShop) -> None:
    """Products, prices, campaigns and what they suggest are those of the shop of one block with this seed."""
    assert_frame_equal(many.products, shop.products)
    for name in ("seasons", "products", "sequences", "accessories"):
        assert_frame_equal(many.truth[name], shop.truth[name])
    campaign = ["contacted_at", "campaign", "play", "product_id", "list_id"]
    one, other = (
        frame.contacts[campaign].drop_duplicates().sort_values("contacted_at", ignore_index=True)
        for frame in (shop, many)
    )
    assert_frame_equal(one, other)


PER_CUSTOMER: dict[str, Callable[[SimulatedShop], pd.Series]] = {
    "orders": lambda shop: shop.truth["customers"].set_index("customer_id")["orders"],
    "margin": lambda shop: shop.truth["customers"].set_index("customer_id")["margin"],
    "lines": lambda shop: shop.orders.groupby("customer_id").size(),
    "returned lines": lambda shop: shop.orders[shop.orders["quantity"] < 0].groupby("customer_id").size(),
    "tickets": lambda shop: shop.truth["tickets"].groupby("customer_id").size(),
    "minutes": lambda shop: shop.truth["customers"].set_index("customer_id")["service_minutes"],
    "contacts": lambda shop: shop.contacts.groupby("customer_id").size(),
    "reviews": lambda shop: shop.advocacy[shop.advocacy["kind"] == "review"].groupby("customer_id").size(),
    "was referred": lambda shop: shop.advocacy.groupby("new_customer_id").size(),
    "left": lambda shop: shop.truth["customers"].set_index("customer_id")["left_at"].notna(),
    "chance of no order": lambda shop: shop.truth["churn"].groupby("customer_id")["no_order_probability"].mean(),
    "wishes": lambda shop: shop.truth["wishes"].groupby("customer_id").size(),
}


@pytest.mark.parametrize("name", PER_CUSTOMER)
def test_statistics_agree_with_those_of_one_block(shop: SimulatedShop, many: SimulatedShop, name: str) -> None:
    one, other = (
        PER_CUSTOMER[name](each).reindex(each.truth["customers"]["customer_id"], fill_value=0).astype(float)
        for each in (shop, many)
    )
    assert one.mean() > 0
    error = np.sqrt(one.var() / len(one) + other.var() / len(other))
    assert abs(one.mean() - other.mean()) < 4 * error


def test_sign_ups_of_every_block_span_the_history(many: SimulatedShop) -> None:
    first = many.customers.drop_duplicates("customer_id")["signed_up_at"].to_numpy().reshape(4, 1_000)
    days = (first - np.datetime64(many.parameters.start)) / np.timedelta64(1, "D")
    assert (np.median(days, axis=1).std() < 40).all()
    assert (days.min(axis=1) < 5).all()
    assert (days.max(axis=1) > 890).all()


def test_one_block_stays_what_it_was() -> None:
    """Figures of the documentation hang on it; nothing but a change of the model may move them."""
    shop = simulate_shop(ShopParameters(customers=60, history_days=400), seed=3)
    assert len(shop.orders) == 848
    assert shop.orders["order_id"].max() == "O0000324"
    assert shop.orders["unit_price"].sum() == pytest.approx(36_910.94)
    assert len(shop.support) == 212
    assert shop.truth["churn"]["no_order_probability"].sum() == pytest.approx(77.172756)


def test_one_block_is_written_as_before(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    one_block = replace(SMALL, customers=BLOCK)
    rows = write_simulated_shop(
        one_block, 5, tmp_path / "new", block_customers=BLOCK, progress=lambda *done: told.append(done)
    )
    shop = simulate_shop(one_block, 5)
    write_shop(shop, tmp_path / "old")
    assert _hashes(tmp_path / "new") == _hashes(tmp_path / "old")
    assert rows == {name: len(frame) for name, frame in shop.tables.items()}
    assert told == [(30, 30)]


def test_without_truth_the_tables_are_the_same(parts: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_simulated_shop(
        SMALL,
        5,
        tmp_path / "shop",
        block_customers=BLOCK,
        with_truth=False,
        progress=lambda *done: told.append(done),
    )
    full, bare = _hashes(parts), _hashes(tmp_path / "shop")
    assert bare == {name: digest for name, digest in full.items() if not name.startswith("truth/")} | {
        "truth/parameters.json": full["truth/parameters.json"]
    }
    assert Place(tmp_path / "shop").is_simulated
    assert told == [(23, 70), (46, 70), (70, 70)]


def test_csv_in_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a table in parts is Parquet; write Parquet, or at most 30 customers"):
        write_simulated_shop(SMALL, 5, tmp_path / "shop", "csv", block_customers=BLOCK)
    assert not (tmp_path / "shop").exists()


def test_a_run_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_simulated_shop(SMALL, 5, tmp_path / "shop", block_customers=BLOCK, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_parts_are_replaced_when_asked(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    write_simulated_shop(SMALL, 5, folder, block_customers=BLOCK)
    with pytest.raises(LoadError, match="not empty"):
        write_simulated_shop(SMALL, 5, folder, block_customers=BLOCK)
    write_simulated_shop(replace(SMALL, customers=20), 5, folder, overwrite=True)
    assert (folder / "orders.parquet").is_file()
    assert not (folder / "orders").exists()
