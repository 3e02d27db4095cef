"""Run the fits of a comparison on a Dask cluster."""

from genzoo.runtime.cluster import connect as connect
