"""Which data it was: a digest of a shop's tables that is the same for the same rows, whatever file they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from regulars.features.shop import Rows, Shop


def fingerprint(shop: Shop) -> str:
    """SHA-256 over every table's columns, the ids, and the words behind codes, in hexadecimal; it cannot be read back.

    Reading sorts the rows, so their order in the files does not matter. Order and ticket ids count by rank only.
    """
    digest = hashlib.sha256()
    for name, content in _parts(shop):
        # Lengths before contents, so that no part can be taken for the end of the one before it.
        digest.update(f"{name} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


def _parts(shop: Shop) -> Iterator[tuple[str, bytes]]:
    """Name and content of everything that makes a shop this one."""
    texts = {"customer_ids": shop.customer_ids, "product_ids": shop.product_ids, **shop.words}
    for name in sorted(texts):
        yield name, "\0".join(texts[name].tolist()).encode()
    yield "given", "\0".join(sorted(shop.given)).encode()
    for part in fields(shop):
        rows = getattr(shop, part.name)
        if isinstance(rows, Rows):
            for column in fields(rows):
                yield f"{part.name}.{column.name}", np.ascontiguousarray(getattr(rows, column.name)).tobytes()
    for title, events in sorted(shop.own.items()):
        for name, values in events.arrays().items():
            yield f"own {title}.{name}", np.ascontiguousarray(values).tobytes()
