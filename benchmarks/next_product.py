"""Next products, ours beside what is published: `python benchmarks/next_product.py`.

Ta-Feng in the split of 'A next basket recommendation reality check' (Li et al. 2021; fold 0 as given and two of our
own, order numbers dated a week apart), and Online Retail II (Chen, CC BY 4.0) with 90 days from each cutoff. Every
method is given what was known before the moment, and asked about everybody who had bought by then; the metrics are over
those who came. After the metrics of each method comes ours less theirs, with the 95 % interval of the paired bootstrap.

Answers are kept in build/bench/next_product by case and method, and made again where what they depend on has changed,
so the whole can be run in parts:

    python benchmarks/next_product.py --cases tafeng 2011-06-01 --methods ours tifu
    python benchmarks/next_product.py --methods ours --again
    python benchmarks/next_product.py --table
    python benchmarks/next_product.py --docs

A word of `--methods` stands for all methods that begin with it. After every run the tables of all answers that are
there go into build/bench/next_product.md and next_product.json; `--table` does that alone, and `--docs` puts the tables
into docs/next-product.md too.
Peers run in processes of their own, some in an environment of their own: see next_product_peers.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import next_product_report as report
import numpy as np
from next_product_data import BUILD, CASES, ROOT, Case
from next_product_grids import PEERS
from next_product_judge import answers_of, judge
from next_product_peers import TOP
from quality_data import digest

from regulars.models.next_product import NextProductModel
from regulars.models.next_product_baselines import PersonalTopProducts, PopularProducts
from regulars.models.recommendations import ProductList

HERE = Path(__file__).resolve().parent
HEAVY = BUILD / "next-product-peers" / "bin" / "python"
"""Interpreter of peers that need an environment of their own."""
FOREVER = 1_200
"""Seconds that a peer may take for a case, its tuning included; who took longer is not asked the same again."""
PAGE = ROOT / "docs" / "next-product.md"
PACKAGE = {
    "ours": lambda days: NextProductModel(days, mine=False),
    "popular": PopularProducts,
    "personal_top": PersonalTopProducts,
}
"""Methods of the package, with default settings."""
METHODS = (*PACKAGE, *PEERS)


class Run:
    """Answers to one case, made where they are missing."""

    def __init__(self, name: str, again: bool) -> None:
        self.case, self.again = Case.of(name), again
        self.inputs = self.case.folder / "inputs"
        self.inputs.mkdir(parents=True, exist_ok=True)
        self.data = digest(HERE / "next_product_data.py", HERE / "product_shops.py", *self.case.files)

    def answer(self, name: str) -> None:
        """One method's lists."""
        if name in PACKAGE:
            self._package(name)
        else:
            self._peer(name)

    def _package(self, name: str) -> None:
        key = digest(ROOT / "features", ROOT / "models") + self.data
        if self._is_fresh(name, key):
            return
        self._say(name, "is fitted")
        case, begun = self.case, time.perf_counter()
        method = PACKAGE[name](case.horizon_days).fit(case.history, case.as_of)
        fitted = time.perf_counter()
        found = method.recommend(case.history, case.asked, case.as_of, top=TOP)
        told = {"fit_seconds": fitted - begun, "recommend_seconds": time.perf_counter() - fitted}

        def codes(chosen: ProductList) -> Any:
            return found.in_codes_of(case.shop.product_ids, chosen.product)

        lists = {"all": codes(found.all), "new": codes(found.new)}
        chances = {"all_probability": found.all.probability, "new_probability": found.new.probability}
        with (case.folder / f"{name}.npz").open("wb") as file:
            np.savez_compressed(file, **lists, **chances)
        self._keep(name, key, told)

    def _peer(self, name: str) -> None:
        python = HEAVY if PEERS[name].heavy else Path(sys.executable)
        if not python.exists():
            self._say(name, f"is left out: there is no {python.relative_to(ROOT)} (see next_product_peers.py)")
            return
        code = ["peers", "methods", *(["libraries"] if PEERS[name].heavy else [])]
        key = digest(*(HERE / f"next_product_{part}.py" for part in code)) + repr(PEERS[name].grid) + self.data
        late = self.case.folder / f"{name}.late"
        if self._is_fresh(name, key):
            return
        if not self.again and late.exists() and late.read_text(encoding="utf-8") == key:
            self._say(name, f"is left out: it took more than {FOREVER} s (--again asks anew)")
            return
        if not (self.inputs / "inputs.npz").exists() or (self.inputs / "key").read_text(encoding="utf-8") != self.data:
            with (self.inputs / "inputs.npz").open("wb") as file:
                np.savez_compressed(file, **self.case.inputs())
            (self.inputs / "key").write_text(self.data, encoding="utf-8")
        self._say(name, "runs")
        command = [str(python), str(HERE / "next_product_peers.py"), name, str(self.inputs)]
        surroundings = os.environ | {"PYTHONPATH": str(ROOT / "src")}
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=False, timeout=FOREVER, env=surroundings
            )
        except subprocess.TimeoutExpired:
            late.write_text(key, encoding="utf-8")
            self._say(name, f"took more than {FOREVER} s and is left out")
            return
        if done.returncode:
            self._say(name, "failed and is left out")
            return
        (self.inputs / f"{name}.npz").replace(self.case.folder / f"{name}.npz")
        self._keep(name, key, json.loads(done.stdout.strip().splitlines()[-1]))

    def _is_fresh(self, name: str, key: str) -> bool:
        told = self.case.folder / f"{name}.json"
        return not self.again and told.exists() and json.loads(told.read_text(encoding="utf-8"))["key"] == key

    def _keep(self, name: str, key: str, told: dict[str, Any]) -> None:
        (self.case.folder / f"{name}.json").write_text(json.dumps({"key": key, **told}), encoding="utf-8")
        seconds = {word: round(value, 1) for word, value in told.items() if word.endswith("_seconds")}
        self._say(name, f"{seconds} {told.get('settings') or ''}")

    def _say(self, name: str, what: str) -> None:
        print(f"  {self.case.name} {name}: {what}", flush=True)


def methods_of(words: list[str]) -> list[str]:
    """Methods that begin with one of the words; all by default."""
    if unknown := [word for word in words if not any(name.startswith(word) for name in METHODS)]:
        raise SystemExit(f"no method begins with {unknown}; there are {METHODS}")
    return [name for name in METHODS if not words or any(name.startswith(word) for word in words)]


def main() -> None:
    """Answers what is asked, and writes the tables of all answers that are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="default: all")
    parser.add_argument("--methods", nargs="+", default=[], help=f"beginnings of {', '.join(METHODS)}")
    parser.add_argument("--again", action="store_true", help="make answers anew though they are there")
    parser.add_argument("--table", action="store_true", help="make no answers, only tables of those that are there")
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/next-product.md too")
    asked = parser.parse_args()
    methods = methods_of(asked.methods)
    for name in () if asked.table else asked.cases:
        print(f"{name}", flush=True)
        run = Run(name, asked.again)
        for method in methods:
            run.answer(method)
    found = [answers_of(name, METHODS) for name in CASES]
    records = judge([one for one in found if one.lists])
    text = report.markdown(records)
    print(text)
    (BUILD / "next_product.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
    (BUILD / "next_product.md").write_text(text, encoding="utf-8")
    if asked.docs:
        PAGE.write_text(report.put_into(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()
