"""Build the untrained model for the values of events."""

from __future__ import annotations

from genzoo import ConfigError, DataSpec, Parts, argument
from genzoo_autoregressive.made.model import AnyOrderBound, AnyOrderDensity, FixedOrder
from genzoo_autoregressive.made.options import MadeOptions


def build(config: MadeOptions, data: DataSpec) -> Parts:
    """Build the model for a table or for images.

    Raises:
        ConfigError: values may be missing, or are not in a fixed order that the options need; or pixels do not lie on a
            short grid.
    """
    orderless = data.form.columns if config.any_order is None else config.any_order
    if orderless:
        if config.share:
            raise ConfigError(
                "share=true is for values in a fixed order, and these are learned in any order. Set any_order=false, "
                "or leave share out."
            )
        return Parts((AnyOrderBound if data.missing else AnyOrderDensity)(data, config))
    if data.missing:
        raise ConfigError(
            f"These data have missing values, and values in a fixed order do not accept them. Set any_order=true, or "
            f"leave such rows out with {argument('drop_missing', True)}."
        )
    return Parts(FixedOrder(data, config))
