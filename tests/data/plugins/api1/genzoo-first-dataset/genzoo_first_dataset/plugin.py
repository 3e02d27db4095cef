"""What this distribution brings to the zoo. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 1


@genzoo.hookimpl
def register_datasets(register: Callable[[genzoo.DatasetSpec], None]) -> None:
    """Register the dataset."""
    register(
        genzoo.DatasetSpec(
            name="first-dataset",
            summary="2,000 points on two arms of a spiral",
            loader="genzoo_first_dataset.dataset:load",
            modality="table",
        )
    )
