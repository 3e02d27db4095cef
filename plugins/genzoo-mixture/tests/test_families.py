"""The fourteen families of covariances: M-steps, fits, missing values, weights, and the values of mclust."""

import csv
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from family_cases import (
    NAMES,
    QUICK,
    covariance_type,
    free_parameters,
    log_densities,
    loss,
    minimum,
    rotation,
    sizes,
)
from mixture_cases import OBJECTIVE, begin, blocks, knock_out, mixture, problem, run_passes
from mixture_cases import covariances as covariances_of
from scipy import stats
from scipy.linalg import expm
from scipy.optimize import minimize
from sklearn.datasets import load_iris

import genzoo
from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine
from genzoo_mixture.emission.families import FAMILIES, Guess
from genzoo_mixture.options import MixtureOptions

DIABETES = Path(__file__).parent / "diabetes.csv"

PARAMETERS = {
    "EII": (2, 5, 15, 70),
    "VII": (2, 5, 17, 74),
    "EEI": (2, 8, 18, 82),
    "VEI": (2, 8, 20, 86),
    "EVI": (2, 8, 24, 130),
    "VVI": (2, 8, 26, 134),
    "EEE": (2, 14, 24, 160),
    "VEE": (2, 14, 26, 164),
    "EVE": (2, 14, 30, 208),
    "VVE": (2, 14, 32, 212),
    "EEV": (2, 14, 36, 472),
    "VEV": (2, 14, 38, 476),
    "EVV": (2, 14, 42, 520),
    "VVV": (2, 14, 44, 524),
}
"""nMclustParams of mclust 6.0.0 for columns and components (1, 1), (4, 1), (4, 3) and (13, 5)."""

BIC = {
    "EII": (878.765, 5412.587),
    "VII": (853.814, 5206.395),
    "EEI": (813.050, 4998.443),
    "VEI": (779.157, 4899.791),
    "EVI": (797.834, 4920.534),
    "VVI": (744.638, 4827.818),
    "EEE": (632.965, 4976.839),
    "VEE": (605.398, 4874.001),
    "EVE": (666.549, 4830.464),
    "VVE": (636.426, 4839.996),
    "EEV": (644.781, 4861.185),
    "VEV": (562.552, 4809.120),
    "EVV": (656.036, 4817.595),
    "VVV": (580.840, 4751.316),
}
"""BIC of mclust 6.0.0 with three components, for iris and the diabetes data; mclust prints it with the other sign."""


def moments(seed, components=3, columns=3):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(components, columns, columns))
    return roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(columns), rng.dirichlet(np.full(components, 3.0))


def likeliest(name, scatter, share):
    """Return the covariances that M-steps end at; the likeliest ones, as common axes depend on where they start."""
    family, s, rng = FAMILIES[name], torch.as_tensor(scatter), np.random.default_rng(0)
    s, ends = s if family.correlated else s.diagonal(dim1=-2, dim2=-1), []
    for number in range(8 if family.axes_are_shared else 1):
        axes = torch.as_tensor(np.linalg.qr(rng.normal(size=scatter.shape[1:]))[0])
        guess = Guess(torch.ones(len(share)).double(), axes) if number else None
        for _ in range(50):  # one M-step turns common axes a few times only, and the next goes on from there
            found, guess = family.fit(s, torch.as_tensor(share), guess)
        ends.append((found if family.correlated else torch.diag_embed(found)).numpy())
    return min(ends, key=lambda sigma: deviance(sigma, scatter, share))


def deviance(sigma, scatter, share):
    return share @ (np.linalg.slogdet(sigma)[1] + np.einsum("kij,kji->k", scatter, np.linalg.inv(sigma)))


QUICK_FIRST = [pytest.param(n, marks=[pytest.mark.full] * (n not in QUICK)) for n in NAMES]
"""All names; those that are not quick are left to `make full`."""


@pytest.mark.parametrize("columns", [2, 3])
def test_optimizers_use_the_densities_of_scipy(columns):
    rng = np.random.default_rng(0)
    x, means, (sigma, _) = rng.normal(size=(9, columns)), rng.normal(size=(3, columns)), moments(0, 3, columns)
    normal = [stats.multivariate_normal(*one).logpdf(x) for one in zip(means, sigma, strict=True)]
    assert np.allclose(log_densities(x, means, sigma), normal, rtol=1e-12)
    df = np.array([1.5, 4.0, 80.0])
    t = [stats.multivariate_t(*one).logpdf(x) for one in zip(means, sigma, df, strict=True)]
    assert np.allclose(log_densities(x, means, sigma, df), t, rtol=1e-12)
    skew = np.array([[0.0, 0.7], [-0.7, 0.0]])
    assert np.allclose(rotation([0.7], 2), expm(skew))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.full)])
def test_covariances_are_as_likely_as_an_optimizer_finds_them(name, seed):
    scatter, share = moments(seed)
    assert deviance(likeliest(name, scatter, share), scatter, share) == pytest.approx(
        minimum(name, scatter, share, tries=4), abs=1e-8
    )


@pytest.mark.parametrize("name", NAMES)
def test_covariances_are_what_the_letters_say(name):
    found = likeliest(name, *moments(2, columns=4))
    volumes = np.linalg.det(found) ** (1 / 4)
    spreads, axes = np.linalg.eigh(found)
    shapes = spreads / volumes[:, None]
    if name[0] == "E":
        assert np.allclose(volumes, volumes[0])
    if name[1] == "E":
        assert np.allclose(shapes, shapes[0])
    if name[1] == "I":
        assert np.allclose(shapes, 1)
    if name[2] == "I":
        assert np.allclose(found, [np.diag(np.diag(one)) for one in found])
    if name[2] == "E":  # matrices with common axes commute
        assert np.allclose(found[0] @ found[1], found[1] @ found[0], atol=1e-6)
        assert np.allclose(found[0] @ found[2], found[2] @ found[0], atol=1e-6)
    free = sum(sizes(name, 3, 4))
    assert FAMILIES[name].count_parameters(3, 4) == free
    assert axes.shape == (3, 4, 4)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_counted_as_mclust_counts_them(name):
    for (columns, components), expected in zip(((1, 1), (4, 1), (4, 3), (13, 5)), PARAMETERS[name], strict=True):
        assert mixture(covariance_type(name), components, columns).degrees_of_freedom == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("hidden", "noise"), [(False, False), (True, False), (True, True)])
def test_no_pass_lowers_the_likelihood(name, hidden, noise):
    x = problem(n=300)
    parts = blocks(x, knock_out(x) if hidden else None, count=2)
    generator = begin(mixture(covariance_type(name), start="kmeans", reg_covar=0.0, noise=noise), parts)
    found = run_passes(generator, parts, 30)
    assert (np.diff(found) >= -1e-8 * abs(found[0])).all()
    assert found[-1] > found[0] + 1


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_events_are_repetitions(name):
    x, rng = problem(n=120), np.random.default_rng(0)
    weight = rng.integers(1, 4, len(x)).astype(float)
    missing = knock_out(x, 0.1)
    ends = []
    for events, hidden, own in (
        (x, missing, weight),
        (x.repeat(weight.astype(int), 0), missing.repeat(weight.astype(int), 0), None),
    ):
        generator = mixture(covariance_type(name), 2)
        parts = blocks(events, hidden, own)
        start = (events[:, 0] > np.median(x[:, 0])).astype(float)
        generator.prepare(torch.as_tensor(x.min(0)), torch.as_tensor(x.max(0)))
        expected = generator.expect(parts[0].x, parts[0].missing, careful=True)
        share = torch.as_tensor(np.stack([0.2 + 0.6 * start, 0.8 - 0.6 * start]))
        share = share if own is None else share * torch.as_tensor(own)
        generator.maximize(generator.sums(type(expected)(expected.log_density, share, expected.seen)))
        run_passes(generator, parts, 15)
        ends.append(covariances_of(generator))
    assert np.allclose(*ends, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        *(pytest.param(name, False, marks=() if name in QUICK else pytest.mark.full) for name in NAMES),
        ("EVI", True),
        pytest.param("VVE", True, marks=pytest.mark.full),
        pytest.param("VEE", True, marks=pytest.mark.full),
    ],
)
def test_an_optimizer_finds_nothing_likelier_near_a_fit(name, hidden):
    """The likelihood of a small table is maximized numerically from where EM ended."""
    rng = np.random.default_rng(3)
    x = np.concatenate(
        [rng.normal(size=(25, 2)) * [1, 0.4], [3, 1] + rng.normal(size=(20, 2)) @ [[0.6, 0.5], [0, 0.7]]]
    )
    missing = (rng.random(x.shape) < 0.15) & hidden
    parts = blocks(x, missing if hidden else None)
    generator = begin(mixture(covariance_type(name), 2, 2, "kmeans", reg_covar=0.0), parts)
    reached = run_passes(generator, parts, 4000, still=1e-8)[-1]
    means = generator.emissions[0].means.numpy()
    theta = free_parameters(name, generator.log_weights.numpy(), means, covariances_of(generator))
    assert -loss(theta, name, x, missing, 2) == pytest.approx(reached, abs=0.05)
    polished = minimize(loss, theta, (name, x, missing, 2), method="BFGS", tol=1e-8)
    assert -polished.fun == pytest.approx(reached, abs=2e-4)


@pytest.mark.parametrize("name", QUICK_FIRST)
def test_fits_reach_the_bic_that_mclust_prints(name):
    for x, expected in zip((load_iris().data, np.loadtxt(DIABETES, delimiter=",", skiprows=1)), BIC[name], strict=True):
        row = genzoo.compare([f"gmm:n_components=3,covariance_type={name}"], x).rows[0]
        assert row.bic <= expected + 1e-2


@pytest.mark.parametrize("name", ["EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVV", "VVV"])
def test_units_of_columns_do_not_matter_to_these_families(name):
    x, scale = np.loadtxt(DIABETES, delimiter=",", skiprows=1), np.array([1e-3, 1.0, 1e3])
    candidate = f"gmm:n_components=3,covariance_type={name}"
    one, other = (genzoo.compare([candidate], x * s).rows[0].bic for s in (1.0, scale))
    assert other == pytest.approx(one + 2 * 145 * np.log(scale).sum(), abs=1e-5)


def test_units_of_columns_matter_to_the_others():
    x, scale = np.loadtxt(DIABETES, delimiter=",", skiprows=1), np.array([0.1, 1.0, 10.0])
    for name in ("EII", "EEV", "VVE"):
        one, other = (genzoo.compare([f"gmm:covariance_type={name}"], x * s).rows[0].bic for s in (1.0, scale))
        assert abs(other - one - 2 * 145 * np.log(scale).sum()) > 1


@pytest.mark.parametrize("unit", [1e-3, pytest.param(1e4, marks=pytest.mark.full)])
@pytest.mark.parametrize("name", QUICK_FIRST)
def test_one_unit_for_all_columns_never_matters(name, unit):
    x = np.loadtxt(DIABETES, delimiter=",", skiprows=1)
    candidate = f"gmm:n_components=2,covariance_type={name}"
    one, other = (genzoo.compare([candidate], x * s).rows[0].bic for s in (1.0, unit))
    assert other == pytest.approx(one + 2 * 145 * 3 * np.log(unit), abs=1e-4)


@pytest.mark.parametrize("name", ["EVI", "EVE", "EVV"])
def test_a_flat_component_of_a_shared_volume_has_collapsed(name):
    """Its events lie on a line, and the shared volume makes it long instead of thin."""
    rng = np.random.default_rng(0)
    flat = np.column_stack([rng.normal(size=60), np.full(60, 5.0)])
    x = np.concatenate([rng.normal(size=(60, 2)), flat])
    generator = begin(mixture(name, 2, 2, "kmeans", reg_covar=None), blocks(x))
    run_passes(generator, blocks(x), 30)
    found = generator.emissions[0].collapsed(generator.log_weights.exp())
    assert found.tolist().count(True) == 1
    floors = generator.floors(torch.as_tensor(x))
    assert len(floors) == 1
    direction = floors[0].directions[0].numpy()
    assert abs(direction[1]) > 100 * abs(direction[0])


def test_names_of_mclust_and_scikit_learn_are_the_same_families():
    for name, usual in (("VVV", "full"), ("EEE", "tied"), ("VVI", "diagonal"), ("VII", "spherical")):
        assert MixtureOptions(covariance_type=name).covariance_type == usual
    assert MixtureOptions(covariance_type="diag").covariance_type == "diagonal"
    with pytest.raises(ValueError, match="VEV"):
        MixtureOptions(covariance_type="VIV")


@pytest.mark.parametrize("name", ["EII", "EVI", "VVE", "EVE", "VEV"])
def test_a_run_is_loaded_with_the_same_densities(name, tmp_path):
    x = problem(n=80)
    run = genzoo.train("gmm", x, covariance_type=name, n_components=2, out=tmp_path / "run", device="cpu")
    assert run.config.options["covariance_type"] == name
    first = run.log_prob(x)
    assert np.allclose(genzoo.load(tmp_path / "run").log_prob(x), first)
    assert run.sample(5).shape == (5, 3)


@pytest.mark.parametrize("name", ["EVI", "EVE", "VVE", "VEE"])
def test_a_stopped_training_resumes_exactly(name):
    parts = blocks(problem(n=80))

    def engine():
        model = genzoo.Model(genzoo.Parts(mixture(name)))
        return EMEngine(model, OBJECTIVE, EMTraining(n_init=2, max_iter=12, tol=1e-14), seed=0)

    def train(one, first, last):
        for step in range(first, last):
            one.update(parts, step, 0.0)
        return one

    whole, part, other = train(engine(), 1, 25), train(engine(), 1, 16), engine()
    other.restore({key: value.clone() for key, value in part.tensors().items()}, part.numbers())
    train(other, 16, 25)
    assert whole.finished
    assert other.finished
    expected = whole.model.state_dict()
    assert expected.keys() == other.model.state_dict().keys()
    for key, value in other.model.state_dict().items():
        assert torch.equal(value, expected[key]), key


MCLUST = """
suppressMessages(library(mclust))
words <- commandArgs(trailingOnly = TRUE)
bic <- mclustBIC(as.matrix(read.csv(words[1])), G = 1:4, modelNames = mclust.options("emModelNames"), verbose = FALSE)
class(bic) <- "matrix"
write.csv(bic[,], words[2])
"""


@pytest.mark.full
@pytest.mark.parametrize("table", ["iris", "diabetes", "faithful"])
def test_every_family_is_as_likely_as_in_mclust(table, tmp_path):
    program = shutil.which("Rscript")
    if program is None or subprocess.run([program, "-e", "library(mclust)"], capture_output=True).returncode:
        pytest.skip("there is no R with mclust")
    faithful = Path(__file__).parents[3] / "tests/data/faithful.csv"
    x = (
        load_iris().data
        if table == "iris"
        else np.loadtxt(DIABETES if table == "diabetes" else faithful, delimiter=",", skiprows=1)
    )
    header = ",".join(f"x{i}" for i in range(x.shape[1]))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header=header, comments="", fmt="%.17g")
    words = [program, "-e", MCLUST, str(tmp_path / "x.csv"), str(tmp_path / "bic.csv")]
    subprocess.run(words, capture_output=True, check=True)
    with (tmp_path / "bic.csv").open() as file:
        rows = list(csv.DictReader(file))
    report = genzoo.compare(["gmm:covariance_type=all,n_components=1..4"], x)
    ours = {row.id: row.bic for row in report.rows}
    assert len(ours) == 14 * 4
    for components, line in enumerate(rows, 1):
        for name in NAMES:
            if line[name] != "NA":
                mine = ours[f"gmm:covariance_type={covariance_type(name)},n_components={components}"]
                assert mine <= -float(line[name]) + 1e-2, (name, components)


def test_a_common_shape_lacks_events_beyond_the_columns():
    counts = torch.tensor([[3.0, 7.0, 7.0, 10.0, 3.0], [6.0, 6.0, 6.0, 6.0, 6.0], [13.0, 7.0, 7.0, 7.0, 7.0]])
    for name in ("EEV", "VEV"):  # 5 components need 1.2 events each beyond 7 columns, 6 in all
        assert FAMILIES[name].lacking(counts, 7).tolist() == pytest.approx([3.0, 6.0, 0.0])
    assert FAMILIES["VVV"].lacking(counts, 7).tolist() == pytest.approx([5.2, 2.2, 1.2])
    assert FAMILIES["EEE"].lacking(counts, 7).tolist() == [0.0, 0.0, 0.0]
    assert FAMILIES["VVI"].lacking(torch.tensor([[1.5, 9.0]]), 7).tolist() == [0.5]
