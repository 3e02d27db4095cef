"""Try what genzoo does in scikit-learn, SDV, Pythae, the Lightning CLI, diffusers and MLflow, and print a table.

python benchmarks/peers.py [--python PATH]

Each cell is the outcome of a few lines of code, which are below; nothing is copied from a document. PATH is a Python in
which the peers are installed: `pip install scikit-learn sdv pythae lightning "jsonargparse[signatures]" diffusers
mlflow`. A peer that it lacks has empty cells. genzoo itself runs in the Python of this script.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import textwrap

TABLE = """
import warnings; warnings.filterwarnings("ignore")
import numpy as np, pandas as pd
rng = np.random.default_rng(0)
frame = pd.DataFrame(rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3)), columns=["a", "b", "c"])
holes = frame.mask(rng.random(frame.shape) < 0.1)
"""
PEERS = {
    "genzoo": TABLE + "import genzoo; from genzoo.sklearn import GMM; make = lambda: GMM(n_components=2)",
    "scikit-learn": TABLE + "from sklearn.mixture import GaussianMixture; make = lambda: GaussianMixture(2)",
    "SDV": TABLE
    + """
from sdv.metadata import Metadata
from sdv.single_table import GaussianCopulaSynthesizer
metadata = Metadata.detect_from_dataframes({"t": frame})
make = lambda: GaussianCopulaSynthesizer(metadata)
""",
    "Pythae": TABLE
    + """
import logging; logging.disable()
from pythae.models import VAE, VAEConfig
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
make = lambda: VAE(VAEConfig(input_dim=(3,), latent_dim=2))
def train(model, data, epochs=2):
    TrainingPipeline(model, BaseTrainerConfig(output_dir="out", num_epochs=epochs))(np.asarray(data, np.float32))
""",
    "Lightning CLI": TABLE
    + """
import torch, lightning
from lightning.pytorch.cli import LightningCLI
class Model(lightning.LightningModule):
    def __init__(self, lr: float = 1e-3):
        super().__init__(); self.lr = lr; self.layer = torch.nn.Linear(3, 3)
    def training_step(self, batch): return self.layer(batch[0]).square().mean()
    def configure_optimizers(self): return torch.optim.Adam(self.parameters(), self.lr)
def data(x):
    events = torch.tensor(np.asarray(x), dtype=torch.float32)
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(events), 64)
make = Model
quiet = dict(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
""",
    "diffusers": TABLE
    + """
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
small = dict(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(32, 32), norm_num_groups=8,
             down_block_types=["DownBlock2D"] * 2, up_block_types=["UpBlock2D"] * 2)
make = lambda: DDPMPipeline(UNet2DModel(**small), DDPMScheduler(10))
""",
    "MLflow": TABLE
    + """
import mlflow, mlflow.pyfunc, mlflow.sklearn
from sklearn.mixture import GaussianMixture
make = lambda: mlflow.pyfunc.PythonModel()
""",
}
"""Code that prepares each peer: `frame`, `holes` (with missing values), and `make()`, an untrained model."""


FEATURES: dict[str, tuple[str, dict[str, str]]] = {
    "trained by its name in a shell": (
        "a command of its own trains a model of its own on a CSV file",
        {
            "genzoo": "import subprocess; frame.to_csv('t.csv', index=False); "
            "words = ['train', 'gmm', '--data', 't.csv']; "
            "done = subprocess.run([sys.executable, '-m', 'genzoo', *words], capture_output=True); "
            "ok = done.returncode == 0",
            "scikit-learn": "ok = bool(commands('scikit-learn'))",
            "SDV": "ok = bool(commands('sdv'))",
            "Pythae": "ok = bool(commands('pythae'))",
            "Lightning CLI": "ok = 'your own model class'",
            "diffusers": "import pkgutil, diffusers.commands as c; "
            "ok = any('train' in one.name for one in pkgutil.iter_modules(c.__path__))",
            "MLflow": "from mlflow.cli import cli; ok = 'train' in cli.commands",
        },
    ),
    "a scikit-learn estimator": (
        "check_estimator has no unexpected failure; clone keeps the options",
        dict.fromkeys(
            PEERS,
            "from sklearn.base import clone; from sklearn.utils.estimator_checks import check_estimator\n"
            "clone(make())\n"
            "found = check_estimator(make(), on_fail=None, on_skip=None)\n"
            "ok = not [one for one in found if one['status'] == 'failed'] and "
            "f\"{sum(one['status'] == 'passed' for one in found)} checks\"",
        ),
    ),
    "learns from missing values": (
        "a table with 10 % of its cells missing is fitted, and finite samples follow",
        {
            "genzoo": "run = genzoo.train('gmm', holes, n_components=2); "
            "ok = bool(np.isfinite(run.sample(9, output='array')).all())",
            "scikit-learn": "ok = bool(np.isfinite(make().fit(holes).sample(9)[0]).all())",
            "SDV": "model = GaussianCopulaSynthesizer(Metadata.detect_from_dataframes({'t': holes})); "
            "model.fit({'t': holes}); ok = len(model.sample(9)['t'].dropna(how='all')) == 9",
            "Pythae": "import torch; model = make(); train(model, holes); "
            "ok = bool(torch.isfinite(model.decoder(torch.randn(9, 2)).reconstruction).all())",
            "Lightning CLI": "model = make(); lightning.Trainer(max_epochs=1, **quiet).fit(model, data(holes)); "
            "ok = bool(torch.isfinite(model.layer.weight).all())",
            "diffusers": "ok = hasattr(make(), 'fit')",
            "MLflow": "ok = hasattr(make(), 'fit')",
        },
    ),
    "fills in missing values": (
        "the table comes back without holes, observed cells unchanged",
        {
            "genzoo": "run = genzoo.train('gmm', holes, n_components=2); done = run.impute(holes); "
            "ok = bool(done.notna().all(axis=None) and np.allclose(done.where(holes.notna()), holes, equal_nan=True))",
            "scikit-learn": "from sklearn.impute import KNNImputer; done = KNNImputer().fit_transform(holes); "
            "ok = bool(np.isfinite(done).all()) and 'not by a density'",
            "SDV": "ok = hasattr(make(), 'impute')",
            "Pythae": "ok = hasattr(make(), 'impute')",
            "Lightning CLI": "ok = hasattr(make(), 'impute')",
            "diffusers": "ok = hasattr(make(), 'impute')",
            "MLflow": "ok = hasattr(make(), 'impute')",
        },
    ),
    "a table for a table": (
        "samples of a model trained on a DataFrame are a DataFrame with its columns",
        {
            "genzoo": "ok = list(genzoo.train('gmm', frame).sample(5).columns) == list(frame.columns)",
            "scikit-learn": "ok = hasattr(make().fit(frame).sample(5)[0], 'columns')",
            "SDV": "model = make(); model.fit({'t': frame}); "
            "ok = list(model.sample(5)['t'].columns) == list(frame.columns)",
            "Pythae": "ok = hasattr(make().decoder(__import__('torch').randn(5, 2)).reconstruction, 'columns')",
            "Lightning CLI": "ok = hasattr(make(), 'sample')",
            "diffusers": "ok = hasattr(make()(num_inference_steps=2, output_type='np').images, 'columns')",
            "MLflow": "ok = hasattr(make(), 'sample')",
        },
    ),
    "scores rows, and flags the unusual": (
        "a log-likelihood for each row, and a threshold for a stated share of new rows",
        {
            "genzoo": "found = genzoo.train('gmm', frame).score(frame, threshold=0.05); ok = 'flagged' in found",
            "scikit-learn": "make().fit(frame).score_samples(frame); ok = 'scores, no threshold'",
            "SDV": "ok = hasattr(make(), 'score_samples') or hasattr(make(), 'log_prob')",
            "Pythae": "ok = hasattr(make(), 'get_nll') and 'scores, no threshold'",
            "Lightning CLI": "ok = hasattr(make(), 'log_prob')",
            "diffusers": "ok = hasattr(make(), 'log_prob')",
            "MLflow": "ok = hasattr(make(), 'log_prob')",
        },
    ),
    "compares models with intervals": (
        "one call ranks several models on the same held-out rows, with intervals of paired differences",
        {
            "genzoo": "report = genzoo.compare(['gaussian', 'gmm:n_components=2'], frame); "
            "ok = any(row.difference is not None and row.difference.has_interval for row in report.rows)",
            "scikit-learn": "from sklearn.model_selection import GridSearchCV; search = GridSearchCV(make(), "
            "{'n_components': [1, 2]}).fit(frame); ok = 'std_test_score' in search.cv_results_ and "
            "'means and deviations, one class'",
            "SDV": "import sdv, pkgutil; names = [one.name for one in pkgutil.walk_packages(sdv.__path__, 'sdv.')]; "
            "ok = any('compar' in name for name in names)",
            "Pythae": "import pythae.pipelines as p; ok = any('compar' in name.lower() for name in dir(p))",
            "Lightning CLI": "ok = any('compare' in name.lower() for name in dir(lightning))",
            "diffusers": "import diffusers; ok = any('compare' in name.lower() for name in dir(diffusers))",
            "MLflow": "ok = hasattr(mlflow, 'search_runs') and 'lists runs, no intervals'",
        },
    ),
    "saved without pickle": (
        "no file that its own way of saving writes holds a pickle",
        {
            "genzoo": "genzoo.train('gmm', frame, out='run'); ok = not pickles('run')",
            "scikit-learn": "import joblib; joblib.dump(make().fit(frame), saved('m.joblib')); ok = not pickles('s')",
            "SDV": "model = make(); model.fit({'t': frame}); model.save(saved('m.pkl')); ok = not pickles('s')",
            "Pythae": "model = make(); model.save(saved('')); ok = not pickles('s')",
            "Lightning CLI": "t = lightning.Trainer(max_epochs=1, **quiet); t.fit(make(), data(frame)); "
            "t.save_checkpoint(saved('m.ckpt')); ok = not pickles('s')",
            "diffusers": "make().save_pretrained(saved('')); ok = not pickles('s')",
            "MLflow": "mlflow.sklearn.save_model(GaussianMixture().fit(frame), saved('m')); ok = not pickles('s')",
        },
    ),
    "shown by a notebook": (
        "a trained model or its result has _repr_html_",
        {
            "genzoo": "ok = '<' in genzoo.train('gmm', frame, out='run')._repr_html_()",
            "scikit-learn": "ok = '<' in make().fit(frame)._repr_html_()",
            **dict.fromkeys(
                ("SDV", "Pythae", "Lightning CLI", "diffusers", "MLflow"), "ok = hasattr(make(), '_repr_html_')"
            ),
        },
    ),
    "settings are checked": (
        "a misspelt option is an error",
        {
            "genzoo": "ok = fails(lambda: genzoo.train('gmm', frame, n_component=3))",
            "scikit-learn": "ok = fails(lambda: GaussianMixture(n_component=3))",
            "SDV": "ok = fails(lambda: GaussianCopulaSynthesizer(metadata, default_distributions='beta'))",
            "Pythae": "ok = fails(lambda: VAEConfig(input_dim=(3,), latent_dims=2))",
            "Lightning CLI": "ok = fails(lambda: LightningCLI(Model, run=False, args=['--model.lrr=1']))",
            "diffusers": "ok = fails(lambda: UNet2DModel(**small, sampl_size=8))",
            "MLflow": "ok = fails(lambda: mlflow.log_params({'n_component': 3}))",
        },
    ),
}
"""How each feature is tried: in words, and as code for each peer, which sets `ok`."""


TOOLS = """
import importlib.metadata, io, os, pickletools, sys, zipfile, contextlib
def commands(name):
    return [one for one in importlib.metadata.distribution(name).entry_points if one.group == "console_scripts"]
def fails(call):
    try:
        with contextlib.redirect_stderr(io.StringIO()): call()
    except (Exception, SystemExit): return True
    return False
def saved(name):
    os.makedirs("s", exist_ok=True); return os.path.join("s", name)
def is_pickle(content):
    try: return content[:1] == b"\\x80" and sum(1 for _ in pickletools.genops(content)) > 2
    except Exception: return content[:1] == b"\\x80"
def pickles(folder):
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            parts = [open(path, "rb").read()]
            if zipfile.is_zipfile(path):
                parts = [zipfile.ZipFile(path).read(one) for one in zipfile.ZipFile(path).namelist()]
            found += [name for part in parts if is_pickle(part)]
    return found
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="a Python that has the peers")
    peers_python = parser.parse_args().python
    print(f"| feature | how tried | {' | '.join(PEERS)} |\n|---|---|{'---|' * len(PEERS)}")
    for feature, (how, codes) in FEATURES.items():
        cells = [tried(sys.executable if name == "genzoo" else peers_python, name, codes[name]) for name in PEERS]
        print(f"| {feature} | {how} | {' | '.join(cells)} |", flush=True)


def tried(python: str, name: str, code: str) -> str:
    """Run one trial in a process and a folder of its own; return `yes`, `no`, a remark, or an empty text."""
    body = textwrap.indent(f"{PEERS[name]}\nok = False\n{code}", "    ")
    program = (
        f"{TOOLS}\ntry:\n{body}\n    print('RESULT', 'yes' if ok is True else ok or 'no')\n"
        "except ImportError as error: print('RESULT', '')\n"
        "except Exception as error: print('RESULT', f'no: {type(error).__name__}')\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([python, "-c", program], cwd=folder, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    return lines[-1].removeprefix("RESULT").strip() if lines else f"no: exit {done.returncode}"


if __name__ == "__main__":
    main()
