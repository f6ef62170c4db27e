"""Which data it was: a digest of a shop's tables that is the same for the same rows, whatever file they came from."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import numpy as np

from regulars.features.shop import Rows, Shop


def fingerprint(shop: Shop) -> str:
    """SHA-256 over every table's columns and the ids, in hexadecimal. It cannot be read back."""
    digest = hashlib.sha256()
    for ids in (shop.customer_ids, shop.product_ids):
        digest.update("\0".join(ids.tolist()).encode())
    for part in fields(shop):
        rows = getattr(shop, part.name)
        if isinstance(rows, Rows):
            for column in fields(rows):
                digest.update(f"{part.name}.{column.name}".encode())
                digest.update(np.ascontiguousarray(getattr(rows, column.name)).tobytes())
    return digest.hexdigest()
