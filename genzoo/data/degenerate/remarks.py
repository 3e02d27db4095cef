"""Remarks on columns without a joint density, with the options that help."""

from __future__ import annotations

from collections.abc import Collection

from genzoo.data.dataset import Dataset
from genzoo.data.degenerate.atoms import find_atoms
from genzoo.data.degenerate.dependence import Dependence, find_dependence
from genzoo.data.degenerate.functions import find_determined
from genzoo.data.degenerate.relation import Relation
from genzoo.wording import argument


def degenerate_remarks(dataset: Dataset, known: Collection[str] = ()) -> list[str]:
    """Return a remark on each linear relation, each column that a category determines, and each atom.

    Arguments:
        known: columns with few values about which there is a remark already. Defaults to none.
    """
    determined = find_determined(dataset)
    remarks = [
        f"column {found.column!r} has a single value for each {found.by!r}, so it has no density given that column; "
        f"leave it out with {argument('drop', [found.column])}"
        for found in determined
    ]
    known = {*known, *(found.column for found in determined)}
    atoms = [atom.remark for atom in find_atoms(dataset) if atom.column not in known]
    return [*dependence_remarks(find_dependence(dataset)), *remarks, *atoms]


def dependence_remarks(found: Dependence) -> list[str]:
    """Return a remark on each linear relation, and one on what was not searched."""
    remarks = [
        f"{stated(relation)}, so these columns have no joint density; {relation.advice}"
        for relation in found.relations
        if not repeats(relation)
    ]
    return remarks if found.unsearched is None else [*remarks, found.unsearched]


def stated(relation: Relation) -> str:
    """Return a relation as a clause, such as `total = a + b in every row`."""
    return f"{relation.formula} in every row{', up to rounding' if relation.rounded else ''}"


def repeats(relation: Relation) -> bool:
    """Return whether one column is a copy of another."""
    return relation.coefficients == (-1.0, 1.0) and relation.constant == 0.0 and not relation.rounded
