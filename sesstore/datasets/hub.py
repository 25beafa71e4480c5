"""Published data sets from the Hugging Face hub, by its own client.

Files go into the client's cache and are not fetched twice; ``HF_ENDPOINT`` names another hub (a
mirror), ``HF_HUB_CACHE`` another place. The commit that was fetched is part of the result.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, MissingExtraError, MissingFileError
from .recipes import Recipe

PATTERNS = ("train.csv", "valid.csv", "validation.csv", "test.csv")


@dataclass(frozen=True)
class Downloaded:
    """A data set that was fetched.

    Parameters
    ----------
    folder : Path
        With a CSV file a split.
    note : str
        Which data set, at which commit.
    """

    folder: Path
    note: str


def chosen_source(recipe: Recipe, source: str | None) -> str:
    """Return whose structures a task's published data are to have.

    Raises
    ------
    InputError
        There is none of that source, or none was named and there are several.
    """
    sources = ", ".join(recipe.hub)
    if source is None and len(recipe.hub) == 1:
        return next(iter(recipe.hub))
    if source is None:
        raise InputError(
            f"whose structures of '{recipe.name}' are to be fetched? Say --source (there are: "
            f"{sources}), or where your files are: --data PATH"
        )
    if source not in recipe.hub:
        raise InputError(
            f"'{recipe.name}' is published with structures of {sources}, not of '{source}'. Name "
            f"one of these with --source, or your files with --data PATH"
        )
    return source


def download(recipe: Recipe, source: str) -> Downloaded:
    """Fetch a task's files, as far as they are not here.

    Parameters
    ----------
    recipe : Recipe
        Which task.
    source : str
        Whose structures, see `chosen_source`.

    Raises
    ------
    MissingExtraError
        huggingface_hub is not installed.
    MissingFileError
        The hub cannot be reached and the files are not in the cache, there is no such data set, or
        it has no train file; says how to go on with ``--data``.
    """
    repository = recipe.hub[source]
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )
    except ImportError:
        raise MissingExtraError(f"downloading '{recipe.name}'", "hf") from None
    try:
        folder = Path(
            snapshot_download(
                repository,
                repo_type="dataset",
                allow_patterns=list(PATTERNS),
                # Read at each call: the client reads them once, when it is imported.
                endpoint=os.environ.get("HF_ENDPOINT"),
                cache_dir=os.environ.get("HF_HUB_CACHE"),
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as problem:
        raise MissingFileError(_advice(recipe, repository, _reason(problem))) from None
    if not (folder / "train.csv").is_file():
        raise MissingFileError(_advice(recipe, repository, "it has no file train.csv"))
    return Downloaded(folder, f"data from Hugging Face's {repository}, commit {folder.name}")


def _reason(problem: Exception) -> str:
    status = getattr(getattr(problem, "response", None), "status_code", None)
    if status in (401, 403, 404):
        return f"the hub has no such data set, or does not show it without a token (HTTP {status})"
    if status is not None:
        return f"the hub answers with HTTP {status}"
    cause = problem.__cause__ or problem.__context__ or problem
    first = str(cause).strip().splitlines()
    return f"the hub cannot be reached ({first[0] if first else type(cause).__name__})"


def _advice(recipe: Recipe, repository: str, reason: str) -> str:
    return (
        f"the data set {repository} of '{recipe.name}' is not here: {reason}. Get train.csv, "
        f"valid.csv and test.csv of https://huggingface.co/datasets/{repository} where there is a "
        f"network, put them into one folder, and add it: sesstore add {recipe.name} --data FOLDER "
        f"--source SOURCE"
    )
