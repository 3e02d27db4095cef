"""The entries of genzoo itself, registered through the same hooks as any plugin's."""

from __future__ import annotations

from collections.abc import Callable

from genzoo.plugins.hookspecs import hookimpl
from genzoo.spec.entries import API_VERSION, DatasetSpec, ExtractorSpec, MetricSpec, ObjectiveSpec, TransformSpec
from genzoo.spec.modality import Modality

GENZOO_API = API_VERSION


_DATASETS: tuple[tuple[str, str, Modality, str], ...] = (
    ("digits", "1,797 handwritten digits, 8×8, values 0..16 (scikit-learn)", "image", "builtin:digits"),
    ("labeled-digits", "the 1,797 digits, each with its label: events of two parts", "parts", "builtin:labeled_digits"),
    ("iris", "150 flowers, 4 measurements (scikit-learn)", "table", "builtin:iris"),
    ("wine", "178 wines, 13 chemical measurements (scikit-learn)", "table", "builtin:wine"),
    ("breast-cancer", "569 tumours, 30 measurements (scikit-learn)", "table", "builtin:breast_cancer"),
    ("diabetes", "442 patients, 10 measurements (scikit-learn)", "table", "builtin:diabetes"),
    ("moons", "2,000 points on two interleaved half circles", "table", "builtin:moons"),
    ("rings", "2,000 points on three concentric rings", "table", "builtin:rings"),
    ("pinwheel", "2,000 points on five curved arms", "table", "builtin:pinwheel"),
    ("mixture", "2,000 points of a mixture of four Gaussians", "table", "builtin:mixture"),
    ("numerals", "the numbers from 1 to 2,000 in English words", "text", "builtin:numerals"),
    ("topics", "paragraphs of the help on Python's syntax, which comes with Python", "text", "texts.builtin:topics"),
    ("names", "32,033 first names in lower case (fetched once)", "text", "texts.builtin:names"),
    (
        "shakespeare",
        "40,000 lines of plays in windows of 256 bytes, the last tenth for the test (fetched once)",
        "text",
        "texts.builtin:shakespeare",
    ),
    ("mnist", "70,000 handwritten digits, 28×28 (fetched once)", "image", "download:mnist"),
    (
        "spoken-digits",
        "3,000 spoken digits of six speakers, 1 s at 8 kHz; takes 0 to 4 are the test (fetched once)",
        "audio",
        "sounds.builtin:spoken_digits",
    ),
    ("fashion-mnist", "70,000 articles of clothing, 28×28 (fetched once)", "image", "download:fashion_mnist"),
)


_OBJECTIVES = (
    ("maximum-likelihood", "Maximum likelihood by gradients, for models with an exact likelihood", "likelihood"),
    ("maximum-bound", "Maximum of a lower bound on the likelihood, by gradients", "bound"),
)


_METRICS = (
    ("log-likelihood", "held-out log-likelihood, nats per event in data units", "likelihood_metrics:log_likelihood"),
    (
        "bits-per-dim",
        "bits per pixel and channel that a lossless code needs for an image",
        "likelihood_metrics:bits_per_dim_metric",
    ),
    (
        "bits-per-byte",
        "bits per byte that a lossless code needs for texts and their ends",
        "likelihood_metrics:bits_per_byte",
    ),
    (
        "bits-per-sample",
        "bits per sample that a lossless code needs for sounds of levels and their ends",
        "likelihood_metrics:bits_per_sample",
    ),
    (
        "token-perplexity",
        "exponential of nats per symbol that a model of texts reads; compares only within one vocabulary",
        "likelihood_metrics:token_perplexity",
    ),
    ("frechet-distance", "Fréchet distance of features as Gaussians: fid, of any features", "frechet:frechet"),
    ("kernel-distance", "unbiased MMD² of features with a cubic kernel: kid, of any features", "mmd:kernel_distance"),
    ("fid", "Fréchet Inception distance: needs the features inception=FILE", "frechet:fid"),
    ("kid", "kernel Inception distance: needs the features inception=FILE", "mmd:kid"),
    ("precision", "fraction of samples within the neighborhood of a real row", "precision_recall:precision"),
    ("recall", "fraction of real rows within the neighborhood of a sample", "precision_recall:recall"),
    ("density", "mean number of real neighborhoods around a sample, divided by k", "precision_recall:density"),
    ("coverage", "fraction of real rows with a sample in their neighborhood", "precision_recall:coverage"),
    ("mmd", "unbiased MMD² of features with a Gaussian kernel", "mmd:mmd"),
    (
        "classifier-two-sample",
        "accuracy of a classifier that separates samples from real rows; 0.5 is chance, and best",
        "two_sample:classifier_two_sample",
    ),
    (
        "memorization",
        "share of samples nearer to training rows than to as many held-out rows; flags copies",
        "memorization:memorization",
    ),
    ("wasserstein", "mean Wasserstein distance of columns, in standard deviations", "tables.marginals:wasserstein"),
    ("total-variation", "mean total variation distance of columns with levels", "tables.marginals:total_variation"),
    (
        "correlation-difference",
        "mean absolute difference of correlations between columns",
        "tables.correlations:correlation_difference",
    ),
    ("column-shapes", "mean similarity of columns, by SDMetrics' definitions", "tables.marginals:column_shapes"),
    (
        "tstr",
        "train on samples, test on real rows: ratio to training on real rows, for a named target",
        "tables.tstr:tstr",
    ),
    (
        "membership-auc",
        "probability that a training row is likelier than a held-out row; 0.5 means no leak",
        "membership:membership_auc",
    ),
    ("pair-trends", "mean similarity of pairs of columns, by SDMetrics' definitions", "tables.pair_trends:pair_trends"),
    (
        "part-agreement",
        "mean share of parts, drawn given another part of the row, that a classifier finds to have the row's class",
        "parts.agreement:part_agreement",
    ),
    (
        "length-distance",
        "Wasserstein distance of the lengths of sounds, in seconds until silence",
        "sounds.distances:length_distance",
    ),
    (
        "loudness-distance",
        "Wasserstein distance of the loudness of sounds, in decibels",
        "sounds.distances:loudness_distance",
    ),
    ("bleu", "mean BLEU of samples with held-out texts as references, as sacrebleu's", "texts.bleu:bleu"),
    ("self-bleu", "mean BLEU of samples with the other samples as references: repetition", "texts.bleu:self_bleu"),
    (
        "distinct-n",
        "share of n-grams that differ, in blocks of equally many words or characters",
        "texts.distinct:distinct_n",
    ),
    ("exact-copies", "share of samples that equal a training text; flags copies", "texts.copies:exact_copies"),
    (
        "longest-copied-span",
        "median over samples of the longest run that stands in a training text; flags copies",
        "texts.copies:longest_copied_span",
    ),
)


_EXTRACTORS: tuple[tuple[str, str, str, tuple[Modality, ...], bool], ...] = (
    ("pixels", "images as they are, in units of their range", "identity:build_pixels", ("image",), False),
    (
        "columns",
        "columns of a table standardized by the real rows, categories as one column per level",
        "identity:build_columns",
        ("table",),
        False,
    ),
    (
        "ngrams",
        "length of texts, and hashed counts of n-grams of up to four characters, standardized by the real texts",
        "ngrams:build_ngrams",
        ("text",),
        False,
    ),
    (
        "symbols",
        "length of texts, and counts of symbols and pairs of symbols, standardized by the real texts",
        "symbols:build_symbols",
        ("text",),
        False,
    ),
    ("log-mel", "levels of sounds in bands of frequencies over time", "log_mel:build_log_mel", ("audio",), False),
    (
        "classifier",
        "a small network trained once on the dataset's own labels",
        "classifier:build_classifier",
        ("image", "table", "audio"),
        False,
    ),
    (
        "efficientnet-lite0",
        "a network trained on ImageNet, 1,280 features (extra: efficientnet)",
        "efficientnet:build_efficientnet",
        ("image",),
        True,
    ),
    (
        "inception",
        "Inception-v3 from a safetensors file, inception=FILE, as FID uses it",
        "inception:build_inception",
        ("image",),
        True,
    ),
)


_TRANSFORMS = (
    ("raw", "data as they are", "affine:RAW"),
    ("centered", "mean 0", "affine:CENTERED"),
    ("standardized", "mean 0 and standard deviation 1", "affine:STANDARDIZED"),
    ("unit", "0 to 1", "affine:UNIT"),
    ("signed-unit", "−1 to 1", "affine:SIGNED_UNIT"),
    ("log", "logarithm of positive numbers", "functions:LogTransform"),
    ("logit", "log-odds of numbers between two bounds, 0 and 1 by default", "functions:LogitTransform"),
    ("marginal", "empirical distribution to standard normal", "marginal:MarginalTransform"),
    ("log-tails", "a scale in the middle, a logarithm beyond two of it", "log_tails:LogTailsTransform"),
    (
        "characters",
        "UTF-8 to the characters of training texts and one for others",
        "characters:CharacterTransform",
    ),
    ("bpe", "bytes to tokens of byte pair encoding (extra: text)", "bpe:BpeTransform"),
    ("log-mel", "sounds to images of their levels in bands of frequencies; without phases", "log_mel:LogMelTransform"),
    ("mu-law", "sounds to sequences of 256 levels of amplitude", "mu_law:MuLawTransform"),
)


_TRANSFORM_OPTIONS = {
    "marginal": "genzoo.data.transforms.marginal:MarginalOptions",
    "bpe": "genzoo.data.transforms.bpe:BpeOptions",
    "log-mel": "genzoo.data.transforms.log_mel:LogMelOptions",
}
"""Options of transforms that have any."""


_AFTER = {
    "log-mel": "genzoo.data.transforms.log_mel:after_log_mel",
    "mu-law": "genzoo.data.transforms.mu_law:after_mu_law",
}
"""What events are after transforms that make others of them."""


_WHOLE = {"characters": ("characters",), "bpe": ("merges",)}
"""Tensors of transforms that hold whole numbers."""


_OF_CELLS = ("marginal", "log-tails")
"""Transforms of flexible models or maps, which would put spikes on repeated values."""


_OF_EVENTS = ("characters", "bpe", "log-mel", "mu-law")
"""Transforms of whole texts and sounds."""


INPUTS = tuple(name for name, *_ in _TRANSFORMS)
"""Names of transforms that a model of any plugin may name as its input."""


@hookimpl
def register_objectives(register: Callable[[ObjectiveSpec], None]) -> None:
    for name, summary, file in _OBJECTIVES:
        options = f"genzoo.models.objective_options:{file.title()}Options"
        register(
            ObjectiveSpec(name, summary, f"genzoo.models.maximum_likelihood:build_maximum_{file}", options, "gradient")
        )


@hookimpl
def register_datasets(register: Callable[[DatasetSpec], None]) -> None:
    for name, summary, modality, loader in _DATASETS:
        register(DatasetSpec(name=name, summary=summary, loader=f"genzoo.data.{loader}", modality=modality))


@hookimpl
def register_metrics(register: Callable[[MetricSpec], None]) -> None:
    for name, summary, metric in _METRICS:
        former = ("memorisation",) if name == "memorization" else ()
        register(MetricSpec(name=name, summary=summary, metric=f"genzoo.metrics.{metric}", former_names=former))


@hookimpl
def register_extractors(register: Callable[[ExtractorSpec], None]) -> None:
    for name, summary, builder, modalities, file in _EXTRACTORS:
        register(ExtractorSpec(name, summary, f"genzoo.features.{builder}", modalities, file))


@hookimpl
def register_transforms(register: Callable[[TransformSpec], None]) -> None:
    for name, summary, builder in _TRANSFORMS:
        options = _TRANSFORM_OPTIONS.get(name, "genzoo.config.settings:Settings")
        builder, whole = f"genzoo.data.transforms.{builder}", _WHOLE.get(name, ())
        register(
            TransformSpec(
                name,
                summary,
                builder,
                options,
                cells=name in _OF_CELLS,
                whole=whole,
                after=_AFTER.get(name, ""),
                columns=name not in _OF_EVENTS,
            )
        )
