"""Datasets: a correct one, and others with one fault each."""

import dataclasses
import socket

import numpy as np

import genzoo

SPEC = genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")), bounds=(-9.0, 9.0), storage="float64")


def right():
    return genzoo.Dataset("right", SPEC, np.random.default_rng(0).normal(size=(100, 2)).clip(-9, 9))


def loads_or_says_why():
    try:
        socket.create_connection(("example.com", 80))
    except OSError as error:
        raise genzoo.DataError("It did not work.") from error


def spec_fits_events():
    return dataclasses.replace(right(), events=4 * right().events)


def loads_alike():
    return genzoo.Dataset("other", SPEC, np.random.normal(size=(100, 2)).clip(-9, 9))


def splits():
    return genzoo.Dataset("few", SPEC, right().events[:3])
