"""The move of July's flat modules into packages: where every definition goes and what it is called there."""


def names(module, target, *found):
    return {(f"genzoo.{module}", name): f"genzoo.{target}" for name in found}


def modules(**_):
    return {}


_TABLE = """
printed text
formula text
hookspecs plugins.hookspecs
registry plugins.registry
builtin plugins.builtin
installed plugins.discovery
contract plugins.validation
glance plugins.validation
quiet plugins.isolation
surroundings plugins.isolation
plugins plugins.manager
scaffold plugins.scaffold
scaffold.name plugins.scaffold.project
scaffold.kind plugins.scaffold.project
scaffold.project plugins.scaffold.project
config config.settings
recipe config.resolve
device runtime.device
seeding runtime.seeding
files storage.atomic
strict storage.json_files
safetensor storage.tensors
regular storage.paths
lock storage.lock
log storage.metrics_log
table storage.tables
model models.base
objective models.objective
maximum.likelihood models.maximum_likelihood
maximum.bound models.maximum_likelihood
maximum.options models.objective_options
build models.factory
measure models.measure
weights models.state_dict
data.source data.loading
data.given data.loading
data.degenerate data.checks
data.difference data.checks
data.match data.align
data.tabular data.table_source
data.rowgroups data.row_groups
data.image data.images
data.binarise data.images
data.bundled data.builtin
data.synthetic data.builtin
data.fetched data.download
transform data.transforms
dequantise data.dequantize
data.array data.readers.numpy_files
data.archive data.readers.numpy_files
data.delimited data.readers.csv_files
data.columnar data.readers.parquet
data.folder data.readers.image_folder
data.idx data.readers.idx
fitted inference.trained_model
latent inference.latent
picture inference.export
features.pixels features.identity
features.columns features.identity
features.network features.networks
features.resize features.networks
features.cache features.networks
evaluation metrics.evaluate
metrics.judge metrics.evaluator
metrics.nats metrics.log_likelihood
metrics.kernel metrics.mmd
metrics.discrepancy metrics.mmd
metrics.neighbours metrics.precision_recall
metrics.distance metrics.distances
metrics.marginal metrics.tabular
metrics.correlation metrics.tabular
metrics.paired metrics.statistics
metrics.jackknife metrics.statistics
metrics.criteria metrics.information_criteria
engine.fit engine.loop
engine.feed engine.dataloader
engine.optimiser engine.optim
engine.average engine.optim
engine.losses engine.loss_buffer
signals engine.signals
engine.abandon engine.signals
engine.normalisation engine.sync_batchnorm
engine.noise engine.sharded_noise
run runs.run
checkpoint runs.checkpoint
portable runs.model_folder
bounded runs.safe_build
training training.trainer
loop training.trainer
agreement training.trainer
preparation training.setup
consumers training.callbacks
watch training.model_selection
monitor training.monitor
resumption training.resume
conclusion training.finalize
report.result reports.result
report.record reports.formats
report.document reports.formats
report.figures reports.columns
report.table reports.terminal
report.scores reports.terminal
report.drawing reports.charts
report.page reports.page
report.html reports.html
presentation.run reports.run_page
presentation.comparison reports.comparison_page
presentation.events reports.sections
presentation.inside reports.sections
presentation.curve reports.sections
presentation.score reports.sections
presentation.shown reports.samples
comparison.compare comparison.api
comparison.best comparison.comparison
comparison.trial comparison.fit
comparison.result comparison.aggregate
comparison.verdict comparison.ranking
comparison.keep comparison.store
comparison.division comparison.splits
comparison.worker comparison.workers
comparison.orphan comparison.workers
installation.install packaging.install
installation.wheel packaging.wheel
installation.doctor packaging.doctor
installation.references packaging.references
installation.installer packaging.pip
installation.failure packaging.pip
installation.plan packaging.plan
installation.request packaging.plan
installation.core packaging.pins
installation.frozen packaging.freeze
installation.child packaging.subprocess_probe
testing.density testing.promises.likelihood
testing.freedom testing.promises.likelihood
testing.answer testing.promises.capabilities
testing.latent testing.promises.capabilities
testing.component testing.promises.capabilities
testing.imputation testing.promises.capabilities
testing.walk testing.sample_density
testing.place testing.event_values
testing.catalogue testing.check
testing.chance testing.promises.randomness
testing.randomness testing.promises.randomness
testing.count testing.reporting
testing.metric testing.promises.metric
testing.dataset testing.promises.dataset
testing.configuration testing.promises.configuration
testing.registration testing.promises.registration
testing.building testing.promises.building
testing.bound testing.promises.bound
testing.sampling testing.promises.sampling
testing.training testing.promises.training
testing.accelerator testing.promises.accelerator
cli.start cli.entry
cli.stop cli.signals
cli.ending cli.signals
cli.matching cli.rows
cli.score cli.inference
cli.cluster cli.inference
cli.embed cli.inference
cli.impute cli.inference
cli.listing cli.plugins
cli.doctor cli.plugins
cli.freeze cli.plugins
cli.restore cli.plugins
cli.promises cli.plugin_development
cli.new cli.plugin_development
cli.uninstall cli.install
cli.installing cli.install
cli.describe cli.options
"""
MODULES = {f"genzoo.{a}": f"genzoo.{b}" for a, b in (line.split() for line in _TABLE.strip().splitlines())}

FIRST = []
ORDER = {}
PUBLIC = {}
NAMES = {
    **names(
        "config", "config.layers", "parse_assignments", "_parse_value", "merge", "merge_training", "read_config_file"
    ),
    **names(
        "config",
        "config.explain",
        "explain",
        "_first",
        "_fields_at",
        "describe_fields",
        "_default_text",
        "_type_text",
        "_MANY",
        "_LONGEST_SHOWN",
        "_SHOWN",
    ),
    **names("config", "runtime.launch", "launched", "refuse_several", "launcher"),
    **names("config", "version", "version"),
    **names(
        "files",
        "storage.json_files",
        "to_json",
        "_finite",
        "write_json",
        "read_json",
        "refuse_crowded",
        "read_settings",
        "_LARGEST_JSON",
        "_MOST_VALUES",
    ),
    **names("files", "storage.tensors", "write_tensors", "read_tensors", "with_tied", "digest", "check_digest"),
    **names("files", "storage.metrics_log", "append_lines"),
    **names("training", "training.api", "train", "resume", "start_run", "_create"),
}
import re
from pathlib import Path as _Path

ONCE = ("Array = np.ndarray[Any, np.dtype[Any]]",)
for _path in _Path("genzoo").rglob("*.py"):
    if ONCE[0] in _path.read_text():
        NAMES[".".join(_path.with_suffix("").parts), "Array"] = "genzoo.typing"

_RENAMES = """
registry Table SpecTable
registry SORTS KINDS
installed Installed InstalledPlugin
installed normalised normalize_name
installed _plugins _plugins_of
contract _check_arguments _check_hook_arguments
glance unresolved unresolved_references
surroundings surroundings_kept preserve_process_state
quiet captured capture_output
quiet results_kept_clean keep_stdout_clean
plugins Zoo PluginManager
plugins registry get_registry
plugins zoo get_manager
plugins bare_zoo core_only_manager
plugins describe describe_error
scaffold.kind Kind ScaffoldKind
scaffold.name Name PluginName
config Optimiser OptimizerConfig
config Schedule ScheduleConfig
config explain explain_validation_error
config launched process_count
config refuse_several require_single_process
config launcher launch_command
device describe describe_device
seeding scope random_scope
files write_with atomic_write
files write_folder atomic_folder
files _finite _finite_or_none
files recover recover_folders
files recover_one recover_folder
lock hold exclusive_lock
strict parse parse_json
build build_parts build_model
weights below strip_prefix
transform Affine AffineTransform
transform _affine _fit_affine
dequantise Dequantiser Dequantizer
regular at user_path
regular holds contains
maximum.likelihood build build_maximum_likelihood
maximum.bound build build_maximum_bound
data.difference difference data_difference
data.binarise binarise binarize
data.binarise _range _range_of
data.source _read _read_file
data.rowgroups RowGroups RowGroupEvents
data.tabular Tabular TableSource
data.tabular ArrowTable ArrowTableSource
data.delimited Delimited CsvSource
data.columnar Columnar ArrowFileSource
data.table gather take_columns
fitted Fitted TrainedModel
latent Path LatentPath
latent Prior PriorSummary
features.pixels Pixels PixelExtractor
features.pixels build build_pixels
features.columns Columns ColumnExtractor
features.columns build build_columns
features.classifier build build_classifier
features.efficientnet build build_efficientnet
features.efficientnet Convolution ConvolutionNormSwish
features.inception build build_inception
features.inception Step Layer
features.network Network NetworkExtractor
metrics.metric Given MetricInput
metrics.judge refer make_reference
metrics.judge judge compute_metrics
metrics.judge Judgement MetricResults
metrics.judge _given _metric_input
metrics.judge _whatever _any_metric
metrics.nats LogLikelihood LogLikelihoodMetric
metrics.nats bits bits_per_dim_metric
metrics.nats _known _known_likelihoods
metrics.paired difference paired_difference
metrics.discrepancy discrepancy mmd_squared
evaluation Scored ScoreResult
evaluation Clustered ClusterResult
engine.fit fit training_steps
engine.fit taken take
engine.feed Feed DataLoader
engine.feed BatchFeed BatchLoader
engine.feed ResidentFeed ResidentLoader
engine.feed StreamingFeed StreamingLoader
engine.feed PassFeed PassLoader
engine.feed Order Sampler
engine.feed Share ProcessShare
engine.feed Blocks BlockLoader
engine.feed ResidentBlocks ResidentBlockLoader
engine.feed make_feed make_loader
engine.feed make_blocks make_block_loader
engine.optimiser Group ParameterGroup
engine.average Average EMA
engine.abandon UntilTold StopCheck
engine.distributed Alone SingleProcess
engine.distributed ALONE SINGLE_PROCESS
engine.distributed Several ProcessGroup
engine.distributed joined join_processes
engine.normalisation SynchronisedBatchNorm SyncBatchNorm
engine.normalisation synchronise convert_batchnorm
engine.schedule rate_factor lr_factor
loop told unreported_steps
loop consume run_callbacks
loop Nothing NoState
preparation Prepared TrainingSetup
preparation prepare build_setup
consumers MetricsLog MetricsLogger
consumers SampleGrids SampleWriter
consumers Checkpoints CheckpointSaver
watch Watch SelectionRule
watch find_watch find_selection_rule
monitor Monitor ValidationMonitor
resumption Start ResumePoint
report.figures Column ReportColumn
report.figures columns report_columns
report.figures reasons report_reasons
report.scores show_scores print_scores
report.table show print_report
report.record as_dict report_as_dict
report.document markdown report_as_markdown
report.document comma_separated report_as_csv
report.html html render_page
report.record _with_parts _with_fields
presentation.curve Points CurvePoints
presentation.events _told _marginal_note
presentation.run Terms EvaluationTerms
presentation.run Held EvaluationEvents
presentation.score protocol protocol_lines
presentation.score plain as_text
presentation.shown Shown PageSamples
presentation.shown ShownFile PageSamplesFile
presentation.shown write_shown write_page_samples
presentation.shown read_shown read_page_samples
comparison.trial Trial FitJob
comparison.trial Outcome FitResult
comparison.trial attempt run_fit_job
comparison.trial look prepare_features
comparison.keep Kept ResultStore
comparison.keep Shared StoreHeader
comparison.keep _settings _stored_settings
comparison.division Division SplitPlan
comparison.worker Place DataLocation
comparison.worker outcomes run_fit_jobs
comparison.worker on_threads with_threads
comparison.worker cores available_cores
comparison.orphan end_with exit_with_parent
comparison.result Result CandidateResult
comparison.result gather aggregate_results
installation.failure explain explain_failure
installation.failure _missing _missing_package
installation.installer _end _end_process
installation.installer _run _run_process
installation.plan read_report read_pip_report
installation.child look probe
installation.install Plan InstallPlan
installation.plan Item PlannedPackage
installation.wheel Wheel WheelFile
installation.frozen _direct _direct_reference
testing.place Place EventValue
testing.place places_of event_values_of
testing.check hold check_promise
testing.keeping Kept BoundPromise
testing.answer PROMISES ANSWER
testing.answer part take_part
testing.latent PROMISES LATENT
testing.component PROMISES COMPONENT
testing.imputation PROMISES IMPUTATION
testing.promise Sort Kind
cli.cluster command cluster_command
cli.embed command embed_command
cli.impute command impute_command
cli.score command score_command
cli.install command install_command
cli.uninstall command uninstall_command
cli.new command new_command
cli.promises command check_command
cli.plugins command plugins_command
cli.listing command list_command
cli.doctor command doctor_command
cli.doctor _state _examined_state
cli.freeze command freeze_command
cli.restore command restore_command
cli.train command train_command
cli.sample command sample_command
cli.evaluate command evaluate_command
cli.compare command compare_command
cli.report command report_command
cli.models command models_command
cli.data command data_command
cli.start run start
cli.stop forget_interruption forget_interrupt
cli.ending end_at_once exit_at_once
cli.installing carry_out apply_plan
"""
RENAMES = {(f"genzoo.{a}", b): c for a, b, c in (line.split() for line in _RENAMES.strip().splitlines())}
RENAMES["genzoo.presentation.inside", "_NUMBERS"] = "_COMPONENT_NUMBERS"
PUBLIC = {"Fitted": "TrainedModel", "Given": "MetricInput"}

PRE = {
    "genzoo.testing.registration": [
        (
            "from genzoo.plugins import Zoo\nzoo = Zoo()",
            "from genzoo.plugins import PluginManager\nzoo = PluginManager()",
        )
    ],
    "genzoo.cli.group": [
        (
            'command = importlib.import_module(f"genzoo.cli.{self._files.get(name, name)}").command',
            'module = importlib.import_module(f"genzoo.cli.{self._files.get(name, name)}")\n        command = getattr(module, f"{name}_command")',
        ),
        (
            "files: the module of each command whose module is not `genzoo.cli.NAME`; it holds the command as `command`.",
            "files: the module in `genzoo.cli` of each command that is not in `genzoo.cli.NAME`; its function is called\n            `NAME_command` in any case.",
        ),
    ],
    "genzoo.cli.main": [
        (
            "def _print_version",
            '_FILES = {\n    **dict.fromkeys(("score", "cluster", "embed", "impute"), "inference"),\n    "uninstall": "install",\n}\n\n\ndef _print_version',
        ),
        ("    lines=_COMMANDS,\n", "    lines=_COMMANDS,\n    files=_FILES,\n"),
    ],
    "genzoo.cli.plugins": [
        (
            '_FILES = {"list": "listing", "check": "promises"}',
            '_FILES = {\n    **dict.fromkeys(("list", "doctor", "freeze", "restore"), "plugins"),\n    **dict.fromkeys(("check", "new"), "plugin_development"),\n}',
        ),
    ],
    "genzoo.builtin": [
        ('"bundled:', '"builtin:'),
        ('"synthetic:', '"builtin:'),
        ('"fetched:', '"download:'),
        ('"nats:log_likelihood"', '"log_likelihood:log_likelihood"'),
        ('"nats:bits"', '"log_likelihood:bits_per_dim_metric"'),
        ('"kernel:', '"mmd:'),
        ('"neighbours:', '"precision_recall:'),
        ('"marginal:', '"tabular:'),
        ('"correlation:', '"tabular:'),
        ('f"genzoo.maximum.options:{file.title()}Options"', 'f"genzoo.models.objective_options:{file.title()}Options"'),
        ('f"genzoo.maximum.{file}:build"', 'f"genzoo.models.maximum_likelihood:build_maximum_{file}"'),
        ("f\"genzoo.features.{name.partition('-')[0]}:build\"", 'f"genzoo.features.{builder}"'),
        (
            "for name, summary, modalities, file in _EXTRACTORS",
            "for name, summary, builder, modalities, file in _EXTRACTORS",
        ),
        ("_EXTRACTORS: tuple[tuple[str, str, tuple", "_EXTRACTORS: tuple[tuple[str, str, str, tuple"),
        (
            '"images as they are, in units of their range", (',
            '"images as they are, in units of their range", "identity:build_pixels", (',
        ),
        (
            'as one column per level",\n        (',
            'as one column per level",\n        "identity:build_columns",\n        (',
        ),
        ('own labels", (', 'own labels", "classifier:build_classifier", ('),
        ('(extra: efficientnet)", (', '(extra: efficientnet)", "efficientnet:build_efficientnet", ('),
        ('what FID is of", (', 'what FID is of", "inception:build_inception", ('),
    ],
    "genzoo.config": [
        (
            'several are for genzoo train. Leave torchrun "\n            f"out; comparisons',
            'several are for genzoo train. Leave "\n            f"torchrun out; comparisons',
        ),
    ],
    "genzoo.resumption": [
        (
            'Use {launcher(had)} train --resume {run.path}, "\n            f"or begin',
            'Use {launcher(had)} train --resume "\n            f"{run.path}, or begin',
        ),
    ],
    "genzoo.report.html": [
        ('PackageLoader("genzoo.report", "templates")', 'PackageLoader("genzoo.reports", "templates")')
    ],
    "genzoo.testing.randomness": [
        ("from genzoo.seeding import scope", "from genzoo.seeding import scope as core_scope"),
        ('scope(seed, "promise")', 'core_scope(seed, "promise")'),
    ],
    "genzoo.plugins": [
        ("def _register(registry: Registry,", "def _register(staged: Registry,"),
        ("functools.partial(registry.table(sort).add,", "functools.partial(staged.table(sort).add,"),
    ],
}
_DOCS = """
text|Text that is safe to print, and cells that a spreadsheet must not run.
version|The installed version of genzoo.
typing|Type aliases that several packages share.
plugins|The zoo's registry and the plugins that fill it. Nothing here imports torch.
plugins.discovery|Find installed plugins from the metadata of their distributions, without importing them.
plugins.validation|Check a plugin's module and the references in its specs before its hooks are called.
plugins.isolation|Run plugin code so that it cannot disturb this process: its output, signals, folders and paths.
plugins.scaffold.project|Write a new plugin distribution from templates.
config|Settings: what they are, how layers of them merge, and how a wrong one is explained. No torch here.
config.settings|The settings of a run, as pydantic classes that reject unknown keys.
config.layers|Read settings from `-o` options and files, and merge layers of them.
config.explain|Turn a validation error into a sentence, and settings classes into rows for help.
config.resolve|Build a run's configuration from the model's recipe, presets, files and options.
runtime|Where code runs: device, precision, random seeds, launched processes.
runtime.launch|How many processes were launched for one training.
storage|Files that appear whole or not at all, and that are read without trusting whoever wrote them.
storage.atomic|Write files and folders atomically.
storage.json_files|Read JSON strictly and within a bound of memory; write it atomically.
storage.tensors|Read safetensors files whose headers are checked first; write them atomically.
storage.paths|Open regular files inside a folder: no links out of it, no pipes, no devices.
storage.metrics_log|Append to and read `metrics.jsonl`.
models|The contracts that plugins implement: generators, discriminators and objectives.
models.maximum_likelihood|Maximum likelihood by gradients, for models with an exact likelihood or a lower bound.
models.objective_options|Options of the core's own objectives.
models.state_dict|Check and load tensors into a module.
data.loading|Open a dataset by name, by path, or from arrays in memory.
data.checks|Checks of training data: columns without a density, and what changed since a run began.
data.align|Bring new data into the columns, kinds and codes that a model was trained on.
data.images|Array layouts, specs and binarization of images.
data.builtin|Built-in data: tables that scikit-learn carries, and synthetic points.
data.download|Datasets that are found on this machine, or fetched once into a checked cache.
data.readers|Readers, one per file format.
data.readers.numpy_files|Read `.npy` and `.npz` files.
data.readers.csv_files|Read `.csv` and `.tsv` files.
data.readers.parquet|Read Parquet and Arrow files.
data.readers.image_folder|Read folders of images.
data.readers.idx|Read idx files, the format of MNIST.
inference|A trained model in data units: sampling, likelihood, latent vectors and files of samples.
features|Feature extractors: they turn rows and images into vectors whose distances mean something.
features.identity|Features without a network: pixels, and standardized columns.
features.networks|Load pretrained networks, resize images for them, and cache their features.
metrics.evaluator|Compute any set of metrics on real rows and samples.
metrics.evaluate|Score, cluster, embed and evaluate rows with a trained model.
metrics.log_likelihood|Held-out log-likelihood and bits per dimension as metrics.
metrics.mmd|Maximum mean discrepancy of features, with a cubic and a Gaussian kernel.
metrics.precision_recall|Precision, recall, density and coverage of samples, by nearest neighbours.
metrics.distances|Nearest neighbours by exact blocked distances.
metrics.tabular|Distances between columns of real and sampled tables, and between their correlations.
metrics.statistics|Standard errors: of paired differences, and by the jackknife.
metrics.information_criteria|AIC, AICc, BIC and ICL.
engine.loop|The only training loop: it yields one record per step.
engine.dataloader|Batches and blocks of rows for training, from memory, the device or disk.
engine.optim|Optimizers of parameter groups, and the exponential moving average of parameters.
engine.loss_buffer|Losses that stay on the device and are read in blocks.
engine.signals|Stop training in good order on SIGINT and SIGTERM.
engine.sync_batchnorm|Batch normalization over all processes, on any device.
engine.sharded_noise|Random numbers of several processes that equal those of one.
runs|An experiment on disk: run directories, checkpoints and portable model folders.
runs.safe_build|Build a model for weights from a file, within bounds that the file must keep.
training|Train models of the zoo into runs, and resume them.
training.api|`genzoo.train` and `genzoo.resume`.
training.trainer|Train one model: run the loop, report its steps, and agree with other processes.
training.setup|Build and check everything a training needs, before anything is written.
training.callbacks|What watches training steps: metrics log, sample grids, checkpoints.
training.model_selection|The rule by which the best step is chosen on validation rows.
training.monitor|Evaluate validation rows during training, and stop early.
training.resume|Find the checkpoint that a training resumes from.
training.finalize|Save the trained model at the end of a training.
reports|Results for people and programs: terminal tables, JSON, Markdown, CSV and HTML pages.
reports.formats|A report as JSON, Markdown and CSV.
reports.columns|The columns of a report and how each figure is written.
reports.terminal|Print reports and scores on a terminal.
reports.charts|Charts as SVG.
reports.run_page|The HTML page of a run.
reports.comparison_page|The HTML page of a comparison.
reports.sections|Sections of pages: samples beside real rows, curves, latent space, components, scores.
reports.samples|Real rows and samples of a comparison, stored for its page.
comparison.api|`genzoo.compare`: check everything first, then fit, rank and keep the best.
comparison.comparison|Fit every candidate on the same rows and seeds, and train the best one again.
comparison.fit|One fit of a comparison and the figures taken from it.
comparison.aggregate|Combine the fits of one candidate into its row.
comparison.ranking|Rank candidates and give each a verdict against the best.
comparison.store|Finished candidates on disk, so that an interrupted comparison resumes.
comparison.splits|The rows that each fit of a comparison trains and is evaluated on.
comparison.workers|Run fits in this process or in several worker processes.
packaging|Install, remove, examine and freeze plugins without changing the core.
packaging.pip|Run pip, and explain its failures.
packaging.plan|What an installation asks for, and what pip plans to do.
packaging.pins|The packages that genzoo stands on, which an installation must not change.
packaging.freeze|Write and read frozen lists of plugins.
packaging.subprocess_probe|Load plugins in a fresh process and report what they did.
testing.promises|The promises, one module per subject.
testing.promises.likelihood|Promises of models whose density is known exactly.
testing.promises.capabilities|Promises of latent vectors, components and imputation, and of all answers together.
testing.promises.randomness|Promises about chance: everything is drawn from the core's random scopes, and from nothing else.
testing.event_values|The values that each number of an event can have in model space.
testing.sample_density|Test whether samples follow a density: a walk under the density must not move them.
testing.check|Check everything the zoo has against its promises, with or without pytest.
testing.reporting|A small pytest plugin: how many promises were checked, in the summary at the end.
cli.main|The `genzoo` command: finds the subcommand, and turns every error into one paragraph and an exit code.
cli.entry|The console script: handle signals before anything slow is imported.
cli.signals|SIGINT and SIGTERM on the command line.
cli.rows|Read the rows that a command asks a trained model about, and write its answers row by row.
cli.inference|`genzoo score`, `cluster`, `embed` and `impute`.
cli.plugins|`genzoo plugins`: list, doctor, freeze and restore.
cli.plugin_development|`genzoo plugins new` and `genzoo plugins check`.
cli.install|`genzoo install` and `genzoo uninstall`.
cli.options|Options that several commands share, and tables of settings.
"""
DOCS = {f"genzoo.{a}": b for a, b in (line.split("|") for line in _DOCS.strip().splitlines())}
UNTOUCHED = ("api1", "comparisons")
DROP = (
    "genzoo.maximum",
    "genzoo.presentation",
    "genzoo.report",
    "genzoo.installation",
    "genzoo.scaffold",
    "genzoo.testing",
)
FOLDERS = {
    "genzoo/scaffold/templates": "genzoo/plugins/scaffold/templates",
    "genzoo/report/templates": "genzoo/reports/templates",
}
GONE = ["genzoo/scaffold", "genzoo/report", "genzoo/maximum", "genzoo/presentation", "genzoo/installation"]
PACKAGES = ()
_HOME = {
    "genzoo.comparison.api": ("compare",),
    "genzoo.config.settings": ("Settings",),
    "genzoo.data.dataset": ("Dataset",),
    "genzoo.engine.loop": ("Step",),
    "genzoo.errors": (
        "ArtifactError",
        "CheckError",
        "ConfigError",
        "DataError",
        "DivergenceError",
        "GenzooError",
        "Interrupted",
        "PluginError",
    ),
    "genzoo.features.extractor": ("Extractor", "Material"),
    "genzoo.inference.latent": ("interpolate", "traverse"),
    "genzoo.inference.trained_model": ("TrainedModel",),
    "genzoo.metrics.metric": ("Metric", "MetricInput", "Score", "feature_pair"),
    "genzoo.metrics.statistics": ("standard_error",),
    "genzoo.models.base": (
        "Components",
        "Decoder",
        "Discriminator",
        "Encoder",
        "Generator",
        "Imputation",
        "Likelihood",
        "LikelihoodBound",
        "Model",
        "Outliers",
        "Parts",
        "Reconstruction",
    ),
    "genzoo.models.objective": ("Batch", "EMObjective", "GradientObjective", "Objective", "Progress"),
    "genzoo.plugins.hookspecs": ("hookimpl",),
    "genzoo.reports.result": ("Report",),
    "genzoo.runs.run": ("Run", "load"),
    "genzoo.runtime.device": ("full_precision",),
    "genzoo.spec": (
        "CallbackSpec",
        "DataSpec",
        "DatasetSpec",
        "ExtractorSpec",
        "Feature",
        "MetricSpec",
        "ModelSpec",
        "ObjectiveSpec",
    ),
    "genzoo.training.api": ("resume", "train"),
}
_FACADE = '''"""genzoo: a plugin-based zoo of generative models.

Everything below is imported on first use, so that `import genzoo` costs next to nothing. Type checkers read the same
names from `__init__.pyi`.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # like `typing.TYPE_CHECKING`, whose import takes longer than all else here
if TYPE_CHECKING:
    from typing import Any

_HOME = {HOME}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted([*_MODULE_OF, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("genzoo.version").version()
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'genzoo' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
'''
_KIT = '''"""The conformance kit: what every plugin promises, one test for each promise.

::

    from genzoo.testing import keeps_promises

    @keeps_promises("my-model", options={"components": 2})
    def test_my_model(promise):
        promise()

Everything below is imported on first use, so that the part that pytest loads by itself costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genzoo.testing.check import check_promises as check_promises
    from genzoo.testing.check import promises as promises
    from genzoo.testing.keeping import keeps_promises as keeps_promises
    from genzoo.testing.promise import Outcome as Outcome
    from genzoo.testing.promise import Promise as Promise

_MODULE_OF = {
    "Outcome": "promise",
    "Promise": "promise",
    "check_promises": "check",
    "keeps_promises": "keeping",
    "promises": "check",
}

__all__ = sorted(_MODULE_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'genzoo.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genzoo.testing.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
'''
_home = (
    "{\n"
    + "".join(
        f'    "{module}": (' + ", ".join(f'"{name}"' for name in found) + ",),\n" for module, found in _HOME.items()
    )
    + "}"
)
WRITE = {
    "genzoo/__init__.py": _FACADE.replace("{HOME}", _home),
    "genzoo/__init__.pyi": '"""The names of the facade, for type checkers."""\n\n'
    + "".join(f"from {m} import {n} as {n}\n" for m, found in _HOME.items() for n in found)
    + "\n__all__: list[str]\n__version__: str\n",
    "genzoo/testing/__init__.py": _KIT,
}
PATCHES = [
    (".gitignore", "!/tests/data/runs/\n", "!/tests/data/runs/\n!/tests/runs/\n!/genzoo/runs/\n"),
    ("tests/training/test_resume.py", '"conclusion" in where', '"finalize" in where'),
    ("tests/data/test_readers.py", '"fetched" not in', '"download" not in'),
    ("tests/packaging/test_clean_install.py", "from test_distribution import", "from checkout import"),
    ("tests/support/crash/__init__.py", "`tests/test_crash.py`", "`tests/training/test_crash.py`"),
    ("tests/training/test_resume.py", "harness of `tests/crash`", "harness of `tests/support/crash`"),
    ("pyproject.toml", "[tool.ruff]\n", '[tool.ruff]\nextend-exclude = ["tests/data/*/"]\n'),
    ("pyproject.toml", '"benchmarks/**" = ["D", "S"]\n', '"benchmarks/**" = ["D", "S"]\n"tools/**" = ["ALL"]\n'),
    ("pyproject.toml", 'pythonpath = ["tests"', 'pythonpath = ["tests/support"'),
    ("Makefile", "tests/fuzz_folders.py", "tests/support/fuzz_folders.py"),
    ("Makefile", "PYTHONPATH=tests ", "PYTHONPATH=tests/support "),
    ("tests/support/fuzz_folders.py", 'Path(__file__).parent / "data"', 'Path(__file__).parents[1] / "data"'),
    (
        "tests/support/fuzz_folders.py",
        "comparisons: python tests/fuzz_folders.py [",
        "comparisons.\n\nUsage: python tests/support/fuzz_folders.py [",
    ),
    ("tests/training/test_crash.py", "Path(__file__).parent  #", 'Path(__file__).parents[1] / "support"  #'),
    ("tests/testing/test_promises.py", "str(Path(__file__).parent)", 'str(Path(__file__).parents[1] / "support")'),
    ("tests/runs/test_versions.py", "Path(__file__).parent", "Path(__file__).parents[1]"),
    ("tests/comparison/test_comparison.py", "Path(__file__).parent /", "Path(__file__).parents[1] /"),
    ("benchmarks/plugins.py", '.parent.parent / "tests"', '.parent.parent / "tests" / "support"'),
]
_REFUSALS = """def assert_refused(result, code: int, *words: str) -> None:
    \"\"\"Check for one paragraph with `words` on stderr, the exit code, and no traceback.\"\"\"
    found, out, err = result
    assert found == code, (found, out, err)
    assert "Traceback" not in err
    paragraph = " ".join(err[err.index("Error:") :].split())
    for word in words:
        assert word in paragraph, paragraph
"""
WRITE["tests/support/refusals.py"] = (
    '"""What a refused command looks like."""\n\nfrom __future__ import annotations\n\n\n' + _REFUSALS
)

_TEST_TABLE = """
plugins registry plugins new bundled extra
config config
runtime device seeding
storage files formula lock log hostile
models maximum build
data table dequantise binarise data transform
inference fitted latent units
features features
metrics nats marginal criteria neighbours two_sample judge memorisation frechet kernel paired
engine engine distributed without_a_gpu
runs versions
training training resume watch crash
reports page
comparison comparison verdict gate candidate orphan
testing promises
packaging installation wheel distribution clean_install
cli cli cli_compare signals progress
"""
_TEST_NAMES = {
    "new": "scaffold",
    "files": "atomic",
    "log": "metrics_log",
    "maximum": "maximum_likelihood",
    "build": "factory",
    "dequantise": "dequantize",
    "binarise": "binarize",
    "transform": "transforms",
    "data": "readers",
    "fitted": "trained_model",
    "nats": "log_likelihood",
    "marginal": "tabular",
    "criteria": "information_criteria",
    "neighbours": "precision_recall",
    "judge": "evaluator",
    "kernel": "mmd",
    "paired": "statistics",
    "engine": "loop",
    "watch": "model_selection",
    "page": "pages",
    "verdict": "ranking",
    "orphan": "workers",
    "installation": "install",
    "cli": "commands",
    "cli_compare": "compare_command",
}
TESTS = {
    f"tests/test_{name}.py": f"tests/{package}/test_{_TEST_NAMES.get(name, name)}.py"
    for package, *found in (line.split() for line in _TEST_TABLE.strip().splitlines())
    for name in found
}
_SUPPORT = "bf16.py distributions.py toy_plugin.py together.py warm.py watched.py elsewhere.py forked.py hostile.py fuzz_folders.py crash wrong_models"
TESTS |= {f"tests/{name}": f"tests/support/{name}" for name in _SUPPORT.split()}
SUBSTITUTIONS = [
    ("tests/comparison/test_workers.py", r"\bend_with\b", "exit_with_parent"),
    ("tests/cli/test_signals.py", r"\bentry import run\b", "entry import start"),
    ("tests/cli/test_signals.py", r"(?m)^run\(\)", "start()"),
    ("tests/engine/test_distributed.py", "SynchronisedBatchNorm", "SyncBatchNorm"),
    (
        "tests/testing/test_promises.py",
        r"import genzoo\.plugins\.manager\nfrom genzoo import builtin\nfrom genzoo\.plugins\.manager import Zoo\n",
        "import genzoo.plugins.manager\nfrom genzoo.plugins import builtin\nfrom genzoo.plugins.manager import PluginManager\n",
    ),
    ("tests/testing/test_promises.py", r"zoo = Zoo\(\)", "zoo = PluginManager()"),
    ("tests/testing/test_promises.py", r"genzoo\.plugins\.manager\.zoo = ", "genzoo.plugins.manager.get_manager = "),
    ("docs/*.md", r"\bFitted\b", "TrainedModel"),
    ("docs/*.md", r"`Given`", "`MetricInput`"),
    ("docs/*.md", r"### Given\b", "### MetricInput"),
    ("README.md", r"\bFitted\b", "TrainedModel"),
    ("tests/test_reference.py", r'"Given"', '"MetricInput"'),
    ("tests/test_reference.py", r'"Given-', '"MetricInput-'),
    ("plugins/genzoo-vae/**/*.py", r"\bMixture\b(?! Likelihood)", "MixturePrior"),
    ("plugins/genzoo-vae/**/*.py", r'(?m)(?<!a )\bGaussian\b(?=[,():"]| else| and|$)', "GaussianObservation"),
    ("tests/test_readme.py", re.escape(r"tests/\w+\.py"), r"tests/[\\w/]+\\.py"),
    *(
        (pattern, re.escape(old) + r"\b", new)
        for pattern in ("README.md", "docs/*.md", "CONTRIBUTING.md")
        for old, new in TESTS.items()
    ),
    ("tests/**/test_*.py", r"from conftest import assert_refused", "from refusals import assert_refused"),
    ("plugins/**/test_*.py", r"from conftest import assert_refused", "from refusals import assert_refused"),
    ("tests/conftest.py", r"(?s)\n\n\ndef assert_refused.*", "\n"),
]
_BEFORE = _Path("tests/test_architecture.py").read_text()
_LAYERS = _BEFORE[_BEFORE.index("# From the top") : _BEFORE.index("parsed = functools")]
_ORDER = """# A package imports only from packages on lines above its own, and from itself.
ORDER = (
    ("errors", "text", "spec", "typing", "version"),
    ("plugins",),
    ("config",),
    ("runtime", "storage"),
    ("models",),
    ("data",),
    ("inference",),
    ("features", "engine"),
    ("runs",),
    ("metrics",),
    ("training",),
    ("reports",),
    ("comparison", "testing"),
    ("packaging",),
    ("cli",),
)
RANK = {name: rank for rank, line in enumerate(ORDER) for name in line}


"""
_RULES = _BEFORE[
    _BEFORE.index('@pytest.mark.parametrize("path", sources()') : _BEFORE.index("def test_no_file_imports_in_a_circle")
]
_NEW_RULES = """@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_imports_only_from_packages_above_it(path):
    name = part(path)
    if name in ("__init__", "__main__"):
        return
    for module in imported(tree_of(path)):
        words = module.split(".")
        if words[0] == "genzoo" and len(words) > 1 and words[1] in RANK:
            allowed = words[1] == name or RANK[words[1]] < RANK[name] or path.parent == ROOT
            assert allowed, f"{name} imports {module}"


def test_every_package_has_its_place_in_the_order():
    assert {part(path) for path in sources()} - {"__init__", "__main__"} == set(RANK)


def test_the_root_and_every_package_stay_small():
    assert len(list(ROOT.glob("*.py"))) <= 8
    for folder in {path.parent for path in sources()}:
        assert len(list(folder.glob("*.py"))) <= 20, folder


def test_a_public_class_has_a_name_of_its_own():
    homes: dict[str, list[str]] = {}
    for path in product():
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path))
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


"""
_TYPED = _BEFORE[_BEFORE.index("    typed = {\n") : _BEFORE.index("    assert typed ==")]
PATCHES += [
    ("tests/test_architecture.py", _LAYERS, _ORDER),
    ("tests/test_architecture.py", _RULES, _NEW_RULES),
    ("tests/test_architecture.py", 'tree_of(ROOT / "__init__.py")', 'tree_of(ROOT / "__init__.pyi")'),
    ("tests/test_architecture.py", 'ROOT / "registry.py"', 'ROOT / "plugins" / "registry.py"'),
]

_BEFORE = _Path("tests/test_distribution.py").read_text()
_LEAVE = _BEFORE[_BEFORE.index("def leave_out(") : _BEFORE.index("@pytest.fixture")]
_ROOT = "ROOT = Path(genzoo.__file__).parent.parent\n"
PATCHES += [
    ("tests/packaging/test_distribution.py", _LEAVE, ""),
    ("tests/packaging/test_distribution.py", _ROOT, ""),
    ("tests/packaging/test_distribution.py", "import genzoo\n", "from checkout import ROOT, leave_out\n"),
]
WRITE["tests/support/checkout.py"] = (
    '"""The tree that the tests are part of, for tests that copy it."""\n\nfrom pathlib import Path\n\nimport genzoo\n\n'
    + _ROOT
    + "\n\n"
    + _LEAVE.replace(
        'name in ("__pycache__", "runs") and Path(folder).name != "data"',
        'name == "__pycache__" or (name == "runs" and Path(folder) == ROOT)',
    ).rstrip()
    + "\n"
)
