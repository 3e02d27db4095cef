"""A web service around one trained model: `MODEL=runs/iris uvicorn app:service`.

MODEL is what `genzoo.load` takes: a run, a model folder or the address of a model. MOST bounds the rows of a request.
"""

import os
import secrets
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

import genzoo

MOST = int(os.environ.get("MOST", "1000"))
model = genzoo.load(os.environ["MODEL"])  # once in each process; all requests share it
service = FastAPI(title=model.model)


class SampleRequest(BaseModel, extra="forbid"):
    n: int = Field(1, ge=1, le=MOST)
    seed: int | None = Field(None, ge=0, lt=2**53, description="Defaults to a new one, which the answer names.")
    given: dict[str, bool | int | float | str] = Field({}, description="Conditions, or columns, by name.")


class ScoreRequest(BaseModel, extra="forbid"):
    rows: list[Any] = Field(min_length=1, max_length=MOST, description="Events in the form of samples.")
    threshold: float | None = Field(None, gt=0, lt=1, description="Flag at most this share of usual rows.")


class Samples(BaseModel):
    seed: int
    samples: list[Any] = Field(description="Objects for rows and parts, lists for images and sounds, or texts.")


class Scores(BaseModel):
    scores: list[dict[str, Any]] = Field(description="A score that is infinite or unknown is null.")


@service.exception_handler(genzoo.GenzooError)
def explain(_: Request, error: genzoo.GenzooError) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422 if isinstance(error, ValueError) else 500)


@service.exception_handler(RequestValidationError)
def reject(
    _: Request, error: RequestValidationError
) -> JSONResponse:  # FastAPI's repeats the input, and JSON has no NaN
    return JSONResponse({"detail": [{key: one[key] for key in ("loc", "msg", "type")} for one in error.errors()]}, 422)


@service.get("/health")
async def health() -> dict[str, str]:  # `async`, so that it answers even if every thread computes
    return {"status": "ok", "model": model.model, "genzoo": genzoo.__version__}


@service.post("/sample")
def sample(asked: SampleRequest) -> Samples:
    seed = secrets.randbits(53) if asked.seed is None else asked.seed
    form = "pyarrow" if model.data.form.columns else None
    return Samples(seed=seed, samples=as_rows(model.sample(asked.n, seed=seed, given=asked.given, output=form)))


@service.post("/score")
def score(asked: ScoreRequest) -> Scores:
    found = model.score(as_events(asked.rows), threshold=asked.threshold)
    return Scores(scores=as_rows(found if isinstance(found, pa.Table) else found.to_frame("pyarrow")))


def as_rows(events: Any) -> list[Any]:
    """Return events as JSON has them."""
    if isinstance(events, dict):
        return [dict(zip(events, parts, strict=True)) for parts in zip(*map(as_rows, events.values()), strict=True)]
    if isinstance(events, list):
        return events
    return events.to_pylist() if isinstance(events, pa.Table) else events.tolist()


def as_events(rows: list[Any]) -> Any:
    """Return events as genzoo takes them: a table, arrays, or texts."""
    try:
        if not isinstance(rows[0], dict):
            return rows if isinstance(rows[0], str) else np.asarray(rows, dtype=float)
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
        return pa.table(columns) if model.data.form.columns else {n: np.asarray(part) for n, part in columns.items()}
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        raise HTTPException(422, f"Rows must have the form of samples: {error}") from error
