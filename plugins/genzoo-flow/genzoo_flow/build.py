"""Build the untrained flow for the columns of a table."""

from __future__ import annotations

from genzoo import ConfigError, DataSpec, Parts, argument
from genzoo_flow.autoregressive import Conditionals
from genzoo_flow.columns import SpreadColumns
from genzoo_flow.coupling import Couplings
from genzoo_flow.flow import AutoregressiveBound, AutoregressiveDensity, CouplingBound, CouplingDensity
from genzoo_flow.options import FlowOptions


def build(config: FlowOptions, data: DataSpec) -> Parts:
    """Build the flow of a table.

    Raises:
        ConfigError: values may be missing, and the flow is made of couplings.
    """
    columns, size, given = SpreadColumns(data.features), len(data.features), data.condition_size
    if config.autoregressive:
        exact = not (columns.spread or data.missing)
        kind = AutoregressiveDensity if exact else AutoregressiveBound
        return Parts(kind(columns, size, given, Conditionals(size, given, config)))
    if data.missing:
        raise ConfigError(
            f"These data have missing values, and couplings do not accept them. Set autoregressive=true, or leave such "
            f"rows out with {argument('drop_missing', True)}."
        )
    made = CouplingBound if columns.spread else CouplingDensity
    return Parts(made(columns, size, given, Couplings(size, given, config)))
