"""Registers all models, metrics and datasets of this package. Does not import torch."""

import dataclasses

import genzoo

GENZOO_API = 2

NORMAL = genzoo.ModelSpec(
    name="right-normal",
    family="right",
    summary="Independent normals",
    builder="wrong_models.builders:normal_Right",
    config="wrong_models.options:Options",
    objectives=("right-objective",),
    capabilities={"likelihood", "decoder", "encoder", "reconstruction"},
    modalities=("table",),
    data="iris",
    training={"steps": 60, "optimizer": {"lr": 0.02}},
)
IMPLICIT = dataclasses.replace(
    NORMAL, name="right-implicit", builder="wrong_models.builders:normal_Implicit", capabilities={"decoder"}
)
ESTIMATED = dataclasses.replace(
    NORMAL,
    name="right-estimated",
    builder="wrong_models.builders:normal_Estimated",
    capabilities={*NORMAL.capabilities, "likelihood-estimate"},
)
ANOMALY = dataclasses.replace(
    NORMAL,
    name="right-anomaly",
    builder="wrong_models.builders:normal_Surprised",
    capabilities={*NORMAL.capabilities, "anomaly-score"},
)
OUTLIERS = dataclasses.replace(
    NORMAL,
    name="right-outliers",
    builder="wrong_models.builders:outliers_Right",
    capabilities={"likelihood", "components", "outliers", "imputation"},
    missing=True,
)
FACTOR = dataclasses.replace(
    NORMAL,
    name="right-factor",
    builder="wrong_models.builders:factor_Right",
    capabilities={"likelihood-bound", "decoder", "encoder"},
)
HEATED = dataclasses.replace(
    NORMAL,
    name="right-heated",
    builder="wrong_models.builders:normal_Heated",
    sampling="wrong_models.options:Heat",
    sampling_group=8,
)
DIRECT = dataclasses.replace(NORMAL, name="right-direct", objectives=("moments-objective",), training={})
KERNELS = dataclasses.replace(
    DIRECT,
    name="right-kernels",
    builder="wrong_models.builders:kernels_Right",
    objectives=("keeping-objective",),
    capabilities={"likelihood"},
    keeps_rows=True,
)
WEIGHTED = dataclasses.replace(DIRECT, name="right-weighted", objectives=("weighted-objective",))
GIVEN = dataclasses.replace(
    IMPLICIT,
    name="right-given",
    builder="wrong_models.builders:given_Right",
    objectives=("given-objective",),
    conditional=True,
    kinds=("continuous",),
    training={"steps": 60, "optimizer": {"lr": 0.1}},
)
GIVEN_DENSITY = dataclasses.replace(
    GIVEN,
    name="right-given-density",
    builder="wrong_models.builders:given_RightDensity",
    capabilities={"likelihood", "decoder"},
)
WORDS = dataclasses.replace(
    NORMAL,
    name="right-words",
    builder="wrong_models.builders:words_Right",
    capabilities={"likelihood"},
    modalities=("text",),
    kinds=("categorical",),
    data="numerals",
    input="raw",
)
CHAINS = dataclasses.replace(
    WORDS,
    name="right-chains",
    builder="wrong_models.builders:chains_Right",
    capabilities={"likelihood", "autoregressive"},
    sampling="genzoo.config.tokens:TextSampling",
)
TOKENS = dataclasses.replace(CHAINS, name="right-tokens", config="wrong_models.options:Symbols")
RIGHT = (
    NORMAL,
    IMPLICIT,
    ESTIMATED,
    ANOMALY,
    OUTLIERS,
    FACTOR,
    HEATED,
    DIRECT,
    KERNELS,
    WEIGHTED,
    GIVEN,
    GIVEN_DENSITY,
    WORDS,
    CHAINS,
    TOKENS,
)

WRONG = {
    "recipe-holds": (NORMAL, {"presets": {"quick": {"training": {"batch_sizes": 3}}}}),
    "options-round-trip": (NORMAL, {"config": "wrong_models.options:Turning"}),
    "options-refuse-unknown": (NORMAL, {"config": "wrong_models.options:Swallowing"}),
    "options-are-bounded": (NORMAL, {"config": "wrong_models.options:Unbounded"}),
    "options-are-described": (NORMAL, {"config": "wrong_models.options:Silent"}),
    "options-hold-at-bounds": (NORMAL, {"config": "wrong_models.options:Divided"}),
    "builds": (NORMAL, {"modalities": ("table", "image")}),
    "builds/one-shape": (IMPLICIT, "Deaf"),
    "announces-capabilities": (NORMAL, {"capabilities": {*NORMAL.capabilities, "imputation"}}),
    "refuses-by-name": (NORMAL, "Mute"),
    "sample-shape": (NORMAL, "Narrow"),
    "sample-range": (IMPLICIT, "Loud"),
    "sampling-options": (HEATED, "Cooled"),
    "sampling-options/smallest": (
        HEATED,
        {"builder": "wrong_models.builders:normal_Brittle", "sampling": "wrong_models.options:Rounds"},
    ),
    "takes-condition": (GIVEN, "Closed"),
    "refuses-a-missing-condition": (GIVEN, "Trusting"),
    "conditions-change-answers": (GIVEN, "Deaf"),
    "samples-follow-conditions": (GIVEN, "Swapped"),
    "keeps-no-rows": (KERNELS, {"keeps_rows": False}),
    "keeps-no-rows/samples": (
        KERNELS,
        {
            "builder": "wrong_models.builders:kernels_Veiled",
            "objectives": ("hiding-objective",),
            "capabilities": frozenset(),
            "keeps_rows": False,
        },
    ),
    "random-scope": (NORMAL, "Seeded"),
    "random-scope/generator": (NORMAL, "OwnGenerator"),
    "random-scope/numpy": (NORMAL, "NumPyNoise"),
    "same-seed": (NORMAL, "NumPyStart"),
    "meta-step": (NORMAL, {"objectives": ("host-objective",)}),
    "traces": (NORMAL, {"objectives": ("logging-objective",)}),
    "training-improves": (NORMAL, {"objectives": ("idle-objective",)}),
    "saves-and-loads": (
        NORMAL,
        {"builder": "wrong_models.builders:normal_Attribute", "objectives": ("noting-objective",)},
    ),
    "resumes": (NORMAL, {"objectives": ("counting-objective",)}),
    "starts-again": (KERNELS, {"objectives": ("adding-objective",)}),
    "exact-maximum": (DIRECT, {"objectives": ("widening-objective",)}),
    "block-size-does-not-matter": (DIRECT, {"objectives": ("chunked-objective",)}),
    "passes-are-counted": (DIRECT, {"objectives": ("twofold-objective",)}),
    "weights-count-events": (WEIGHTED, {"objectives": ("unweighted-objective",)}),
    "answers-stand-alone": (NORMAL, "CenteredEncoder"),
    "answers-to-odd-batches": (OUTLIERS, "Squeezed"),
    "answers-change-nothing": (NORMAL, "Remembering"),
    "answers-change-nothing/in-place": (NORMAL, "InPlace"),
    "both-precisions": (NORMAL, "Rounding"),
    "log-prob-shape": (NORMAL, "Overflowing"),
    "log-prob-stands-alone": (NORMAL, "BatchNormalized"),
    "log-prob-stands-alone/conditions": (GIVEN_DENSITY, "Averaging"),
    "log-prob-in-threads": (NORMAL, "Keeping"),
    "log-prob-in-threads/in-place": (NORMAL, "Counting"),
    "log-prob-in-threads/random": (NORMAL, "Wasting"),
    "log-prob-integrates-to-one": (NORMAL, "Twofold"),
    "log-prob-integrates-to-one/constant": (NORMAL, "WithoutConstant"),
    "log-prob-integrates-to-one/conditions": (GIVEN_DENSITY, "Constant"),
    "log-prob-integrates-to-one/masked": (OUTLIERS, "WithoutConstant"),
    "log-prob-agrees-with-samples": (NORMAL, "Hot"),
    "log-prob-agrees-with-samples/shift": (NORMAL, "Shifted"),
    "log-prob-agrees-with-samples/temperature": (
        HEATED,
        {"builder": "wrong_models.builders:normal_Cooled", "sampling": "wrong_models.options:Cold"},
    ),
    "degrees-of-freedom": (NORMAL, "Miscounted"),
    "missing-values-are-integrated-out": (OUTLIERS, "Unmasked"),
    "floors-fit-events": (NORMAL, "Doubled"),
    "bound-shape": (FACTOR, "Ragged"),
    "bound-lies-below": (FACTOR, "Above"),
    "bound-lies-below/lopsided": (FACTOR, "Lopsided"),
    "bound-tightens": (FACTOR, "OneDraw"),
    "bound-tightens/means": (FACTOR, "OneOfMean"),
    "estimate-shape": (ESTIMATED, "Errorless"),
    "estimate-is-the-density": (ESTIMATED, "Biased"),
    "estimate-error-shrinks": (ESTIMATED, "Boasting"),
    "transforms-keep-mass": (NORMAL, "Massive"),
    "rounding-does-not-pay": (KERNELS, {"objectives": ("pointing-objective",)}),
    "width-changes-nothing": (WORDS, "Widthwise"),
    "texts-have-their-masses": (WORDS, "Endless"),
    "texts-have-their-masses/temperature": (
        CHAINS,
        {"builder": "wrong_models.builders:chains_Cooled", "sampling": "wrong_models.options:CoolText"},
    ),
    "tokens-keep-probabilities": (TOKENS, "Plain"),
    "symbols-sum-to-texts": (CHAINS, "Scaled"),
    "symbols-stop-at-the-end": (CHAINS, "Trailing"),
    "symbols-look-back": (CHAINS, "Averaged"),
    "prompts-stay": (CHAINS, "Overwriting"),
    "samples-are-generated": (CHAINS, "Hasty"),
    "texts-follow-their-prompts": (CHAINS, "Forgetful"),
    "decode-shape": (IMPLICIT, "LongPrior"),
    "encode-shape": (NORMAL, "LongCode"),
    "reconstruct-shape": (NORMAL, "Standing"),
    "anomalies-score-higher": (ANOMALY, "UpsideDown"),
    "posterior-sums-to-one": (OUTLIERS, "Joint"),
    "outliers-have-a-component": (OUTLIERS, "Misnamed"),
    "imputation-keeps-observed": (OUTLIERS, "Overwriting"),
    "imputation-draws": (OUTLIERS, "Mean"),
}
"""For each broken promise (and variant, if several models break it): a correct spec, and the changes that break it."""

FITTED = (
    "keeps-no-rows",
    "keeps-no-rows/samples",
    "starts-again",
    "exact-maximum",
    "rounding-does-not-pay",
    "block-size-does-not-matter",
    "passes-are-counted",
    "weights-count-events",
)
"""Promises about models without training in steps."""

METRICS = (
    "is-described",
    "score-is-whole",
    "direction-is-right",
    "score-follows-the-seed",
    "order-does-not-matter",
    "refuses-what-it-cannot-score",
    "leaves-events-alone",
)
TRANSFORMS = {
    "transform-fits": "Crashing",
    "transform-inverts": "Drifting",
    "log-det-is-the-derivative": "Upright",
    "outlines-bound-tensors": "Sparse",
    "transform-restores": "Forgetful",
    "support-is-known": "Boundless",
    "values-map-alone": "Widening",
}
DATASETS = ("loads-or-says-why", "spec-fits-events", "loads-alike", "splits")

DIRECT_OBJECTIVES = (
    "moments",
    "weighted",
    "unweighted",
    "twofold",
    "chunked",
    "widening",
    "keeping",
    "adding",
    "pointing",
    "hiding",
)
OBJECTIVES = ("right", "given", "host", "logging", "idle", "noting", "counting")


def name_of(promise):
    return f"wrong-{promise.replace('/', '-')}"


@genzoo.hookimpl
def register_models(register):
    for spec in RIGHT:
        register(spec)
    for promise, (right, change) in WRONG.items():
        if isinstance(change, str):
            change = {"builder": f"{right.builder.rpartition('_')[0]}_{change}"}
        register(dataclasses.replace(right, name=name_of(promise), **change))


@genzoo.hookimpl
def register_objectives(register):
    for name in OBJECTIVES:
        register(
            genzoo.ObjectiveSpec(
                f"{name}-objective",
                "Negative log-likelihood",
                f"wrong_models.objectives:{name.title()}",
                "wrong_models.options:LossOptions",
                kind="gradient",
            )
        )
    for name in DIRECT_OBJECTIVES:
        register(
            genzoo.ObjectiveSpec(
                f"{name}-objective",
                "A direct fit",
                f"wrong_models.fits:{name.title()}",
                "wrong_models.options:LossOptions",
                kind="direct",
            )
        )


@genzoo.hookimpl
def register_metrics(register):
    register(genzoo.MetricSpec("right-metric", "Distance of means", "wrong_models.measures:right"))
    for promise in METRICS:
        metric = f"wrong_models.measures:{promise.replace('-', '_')}"
        register(genzoo.MetricSpec(name_of(promise), "Distance of means", metric))


@genzoo.hookimpl
def register_datasets(register):
    register(genzoo.DatasetSpec("right-dataset", "Two columns", "wrong_models.sets:right", "table"))
    for promise in DATASETS:
        loader = f"wrong_models.sets:{promise.replace('-', '_')}"
        register(genzoo.DatasetSpec(name_of(promise), "Two columns", loader, "table"))


@genzoo.hookimpl
def register_transforms(register):
    options = "wrong_models.maps:Options"
    register(genzoo.TransformSpec("right-transform", "Logarithm", "wrong_models.maps:Right", options))
    for promise, fault in TRANSFORMS.items():
        register(genzoo.TransformSpec(name_of(promise), "Logarithm", f"wrong_models.maps:{fault}", options))
