"""What the checks at the edge have to say about a shop's tables, in sentences a person can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Severity = Literal["error", "bad_rows", "note"]
ORDER: tuple[Severity, ...] = ("error", "bad_rows", "note")


@dataclass(frozen=True)
class Finding:
    """One thing found in one table.

    `count` of `of` rows are meant (both 0 where no rows are). `examples` name the row as the file counts it, from 1
    and without the header, and what stands there. `rule` is a short name that stays the same from release to release.
    """

    table: str
    column: str
    rule: str
    severity: Severity
    problem: str
    count: int = 0
    of: int = 0
    examples: tuple[str, ...] = ()
    expected: str = ""
    advice: str = ""

    @property
    def where(self) -> str:
        """'orders.quantity', or 'orders' where the whole table is meant."""
        return f"{self.table}.{self.column}" if self.column else self.table

    def __str__(self) -> str:
        examples = f" ({'; '.join(self.examples)})" if self.examples else ""
        if self.severity == "bad_rows":
            told = f"{self.where} {self.problem} in {self.count:,} of {self.of:,} rows{examples}."
        else:
            rows = f" ({self.count:,} of {self.of:,} rows)" if self.of else ""
            told = f"{self.where}: {self.problem}{rows}{examples}."
        expected = f" Expected: {self.expected}." if self.expected else ""
        return told + expected + (f" {self.advice}" if self.advice else "")


class DataError(ValueError):
    """Tables that cannot be used; `findings` says why, most important first."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = by_importance(findings)
        super().__init__("the data cannot be used:\n" + "\n".join(f"- {finding}" for finding in self.findings))


def by_importance(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then bad rows by how many, then notes in the order they were made."""
    return tuple(sorted(findings, key=lambda f: (ORDER.index(f.severity), -f.count if f.severity != "note" else 0)))


def near(name: str, names: Iterable[str]) -> str:
    """The name most like `name`, or an empty string: 'customer_id' for 'CustomerID' or 'customer'."""
    plain = {_plain(other): other for other in names}
    close = get_close_matches(_plain(name), list(plain), n=1, cutoff=0.65)
    return plain[close[0]] if close else ""


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
