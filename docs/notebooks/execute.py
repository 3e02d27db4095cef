"""Execute the notebooks of this folder and keep what they show.

python docs/notebooks/execute.py [NAME...]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent


def executed(path: Path, folder: str) -> Any:
    """Return a notebook after its cells ran in a folder. An error of a cell is raised."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}})
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times differ from run to run
    notebook.metadata.get("language_info", {}).pop("version", None)
    return notebook


def main() -> None:
    paths = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    if unknown := [name for name in sys.argv[1:] if name not in paths]:
        sys.exit(f"There is no notebook {unknown[0]!r}. Known: {', '.join(paths)}.")
    for path in [paths[name] for name in sys.argv[1:]] or paths.values():
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(executed(path, folder), path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
