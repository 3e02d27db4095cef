"""Share a trained model on the Hugging Face Hub."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genzoo.errors import ConfigError
from genzoo.metrics.metric import Score
from genzoo.persistence.hub import HUB, check_name, endpoint, explained, hub_library
from genzoo.persistence.model_folder import ModelFile, read_model_file
from genzoo.persistence.open_run import is_model_folder, open_run
from genzoo.persistence.run import Run
from genzoo.runtime.progress import Phase
from genzoo.storage.paths import user_path
from genzoo.verbs.evaluation import evaluate
from genzoo.verbs.given import own_rows
from genzoo.wording import KEEPS_ROWS, argument

_TASKS = {"image": "unconditional-image-generation", "text": "text-generation", "audio": "text-to-audio"}
"""The Hub's name of a task, by modality. It has none for tables."""

_PLACE = "PATH/TO/THIS/FOLDER"


def push(
    run: Run | str | Path,
    to: str,
    *,
    private: bool = False,
    with_rows: bool = False,
    scores: bool = True,
    metrics: str | Sequence[str] | None = None,
    features: str | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> str:
    """Upload the model of a run to the Hugging Face Hub, with a card that has its scores on the run's test rows.

    Whoever may read the repository can use it at once: `genzoo sample hub:user/name`. Only the weights, the settings of
    the model and the card are uploaded: no data, samples, log or checkpoint. The settings have the names of columns,
    their categories, and the range of their numbers.

    Arguments:
        run: a run, or the path of a run or model folder. Model folders and runs without test rows have no scores.
        to: the repository, `"user/name"`. It is made if there is none. An earlier model in it is replaced, and stays in
            the history of the repository.
        private: whether only you may read a repository that is made. Defaults to false.
        with_rows: upload the model even if it contains rows of its training data. Defaults to false.
        scores: whether to evaluate the model on the run's test rows for the card. Defaults to true.
        metrics, features, samples, seed: as for `evaluate`.

    Returns:
        The address of the model's page.

    Raises:
        ConfigError: the name is none; or the model contains training rows and `with_rows` is false.
        GenzooError: the Hub cannot be reached, or does not let you write there.
        MissingExtraError: `huggingface_hub` is not installed.

    Examples:
        >>> push("runs/faithful", "me/faithful")  # doctest: +SKIP
        'https://huggingface.co/me/faithful'
    """
    check_name(to)
    if not isinstance(run, Run) and os.fspath(run).startswith(HUB):
        raise ConfigError(f"{run} is on the Hub already. Give a run or a model folder of this machine.")
    library = hub_library(argument("push", to))
    opened = run if isinstance(run, Run) or is_model_folder(run) else open_run(str(run))
    folder = opened.model if isinstance(opened, Run) else user_path(os.fspath(opened))
    content = read_model_file(folder)
    if content.training.get("keeps_rows") is True and not with_rows:
        raise ConfigError(f"{KEEPS_ROWS} To upload it all the same, add {argument('with_rows', True)}.")
    found = _scores(opened, metrics, features, samples, seed) if scores else {}
    card = _card(library, content, found, (folder / "README.md").read_text(encoding="utf-8", errors="replace"), to)
    files = {"README.md": card.encode(), **{name: folder / name for name in ("config.json", "model.safetensors")}}
    added = [library.CommitOperationAdd(name, file) for name, file in files.items()]
    hub = library.HfApi(endpoint=endpoint(), library_name="genzoo")
    with Phase(f"uploading to {to}"):
        try:
            page = hub.create_repo(to, private=private, exist_ok=True)
            hub.create_commit(to, added, commit_message=f"Model {content.model} of genzoo {content.genzoo}")
        except Exception as error:  # of the package, or of its network library
            raise explained(error, to) from error
    return str(page)


def _scores(
    opened: Run | str | Path, metrics: str | Sequence[str] | None, features: str | None, samples: int | None, seed: int
) -> Mapping[str, Score]:
    """Return the scores of a run on its test rows; none if it has no such rows."""
    if not isinstance(opened, Run):
        return {}
    _, _, rows = own_rows(opened)
    if not len(rows):
        return {}
    return evaluate(opened, metrics=metrics, features=features, samples=samples, seed=seed).scores


def _card(library: Any, content: ModelFile, scores: Mapping[str, Score], text: str, to: str) -> str:
    """Return the model card with its metadata in the form that the Hub reads."""
    family, _, model = content.model.rpartition("/")
    modality = str(content.data.modality)
    task = _TASKS.get(modality)
    data = str(content.training.get("data") or "unknown")
    results = [
        library.EvalResult(
            task_type=task or "other",
            dataset_type=data,
            dataset_name=data,
            dataset_split="test",
            metric_type=name,
            metric_name=name,
            metric_value=score.value,
        )
        for name, score in scores.items()
        if math.isfinite(score.value)
    ]
    metadata = library.ModelCardData(
        library_name="genzoo",
        pipeline_tag=task,
        tags=["genzoo", model, family, modality],
        model_name=to.rpartition("/")[2] if results else None,
        eval_results=results or None,
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n{text.replace(_PLACE, HUB + to)}{_table(scores)}"


def _table(scores: Mapping[str, Score]) -> str:
    if not scores:
        return ""
    rows = []
    for name, score in scores.items():
        error = "" if score.error is None else f" ± {score.error:.3g}"
        rows.append(f"| {name} | {score.value:.4g}{error} | {score.better} |")
    return "\n".join(["", "## Scores on test rows", "", "| metric | value | better |", "|---|---|---|", *rows, ""])
