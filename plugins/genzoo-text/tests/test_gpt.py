"""`gpt` beside what it must be: causal, normalized over all texts, the same with and without its cache."""

import itertools

import pytest
import torch

import genzoo
from genzoo_text import gpt as module
from genzoo_text import gpt_network as network
from genzoo_text.gpt import build, next_symbol
from genzoo_text.gpt_network import rotations
from genzoo_text.gpt_options import GPTOptions, NextSymbolOptions

WORDS = ["anna", "bea", "jill", "", "kara", "lo", "anna", "beata", "jo", "kim"] * 8


def spec(symbols, longest, given=0):
    condition = tuple(genzoo.Feature(f"x{place}") for place in range(given))
    levels = tuple(chr(97 + place) for place in range(symbols))
    return genzoo.DataSpec(
        (longest,), "text", (genzoo.Feature("symbol", "categorical", levels),), storage="uint8", condition=condition
    )


def model(symbols=4, longest=6, given=0, dtype=torch.float64, **options):
    """A model with random weights everywhere, also where training begins with zeros."""
    torch.manual_seed(0)
    tables = {"pieces": 3, "piece_rows": 20}
    config = GPTOptions(**{"layers": 2, "heads": 2, "width": 8, **tables, **options})
    generator = build(config, spec(symbols, longest, given)).generator.to(dtype).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.normal_(std=0.7)
    return generator.requires_grad_(False)


def all_texts(symbols, longest):
    """Every text, with the end after it."""
    found = [text for length in range(longest + 1) for text in itertools.product(range(symbols), repeat=length)]
    return torch.tensor([[*text, *[symbols] * (longest - len(text))] for text in found])


def test_probabilities_of_all_texts_sum_to_one():
    assert model(2, 4).log_prob(all_texts(2, 4)).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_a_symbol_depends_on_those_before_it_only():
    generator, x = model(), torch.randint(4, (3, 6))
    before = generator.log_prob_each(x)
    for place in range(6):
        changed = x.clone()
        changed[:, place] = (x[:, place] + 1) % 4
        after = generator.log_prob_each(changed)
        assert torch.allclose(after[:, :place], before[:, :place], atol=1e-12)
        assert (after[:, place:] != before[:, place:]).all()


def test_no_gradient_flows_from_later_places():
    generator = model()
    x = torch.randn(1, 6, 8, dtype=torch.float64, requires_grad=True)
    out = generator.network.layers[0](x, rotations(0, 6, 4, x))
    for place in range(6):
        slope = torch.autograd.grad(out[0, place].sum(), x, retain_graph=True)[0][0]
        assert slope[place + 1 :].abs().sum() == 0
        assert (slope[: place + 1].abs().sum(1) > 0).all()


def test_what_follows_the_first_end_does_not_count():
    generator = model()
    x = torch.tensor([[0, 1, 4, 4, 4, 4], [0, 1, 4, 2, 4, 3]])
    each = generator.log_prob_each(x)
    assert torch.equal(each[0], each[1])
    assert (each[:, 3:] == 0).all()
    assert torch.allclose(generator.log_prob(x), each.sum(1))
    assert torch.allclose(generator.log_prob(x[:, :3]), each.sum(1), atol=1e-12)
    assert torch.allclose(generator.encode(x[:1, :3]), generator.encode(x)[1], atol=1e-12)


@pytest.mark.parametrize("given", [0, 2])
def test_long_texts_of_all_lengths_have_the_sums_of_their_places(given):
    generator = model(longest=300, given=given)
    x = torch.randint(4, (37, 300))
    for row, length in enumerate(torch.randint(301, (37,)).tolist()):
        x[row, length:] = 4
    condition = torch.randn(37, given, dtype=torch.float64) if given else None
    whole = generator.log_prob_each(x, condition=condition).sum(1)
    assert torch.allclose(generator.log_prob(x, condition=condition), whole, atol=1e-9)


def test_an_encoding_is_the_mean_over_start_and_symbols():
    generator, x = model(), torch.tensor([[0, 1, 2, 4, 4, 4]])
    states = generator.network(torch.tensor([[4, 0, 1, 2]]))
    assert torch.allclose(generator.encode(x), states.mean(1), atol=1e-12)


def within(longest):
    """Return attention in which each place sees itself and the places before it, `longest` or its window at most."""

    def attended(query, key, value, window):
        back, most = torch.arange(query.shape[2])[:, None] - torch.arange(query.shape[2]), min(longest, window or 99)
        scores = (query @ key.mT / query.shape[-1] ** 0.5).masked_fill((back < 0) | (back >= most), -torch.inf)
        return scores.softmax(-1) @ value

    return attended


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        (0, {}),
        (3, {"layers": 3, "given": 2}),
        (5, {"recent": 9, "given": 2}),
        (6, {"layers": 1, "recent": 1}),
        (20, {"recent": 4}),
        (20, {"recent": 0, "pieces": 1}),
        (2, {"longest": 1}),
        (0, {"attention_window": 4}),
        (20, {"attention_window": 2, "recent": 0}),
        (3, {"attention_window": 1, "given": 2}),
    ],
)
def test_drawing_with_the_cache_uses_the_logits_of_the_last_places(prompt, options, monkeypatch):
    generator, seen, given = model(**options), [], options.get("given", 0)
    condition, start = torch.randn(3, given, dtype=torch.float64) if given else None, torch.randint(4, (3, prompt))

    def draw(logits, **options):
        seen.append(logits)
        return torch.randint(4, (3,))

    monkeypatch.setattr(module, "draw_symbols", draw)
    drawn = torch.stack(list(itertools.islice(generator.generate(start, condition=condition), 15)), 1)
    longest = options.get("longest", 6)
    first = torch.cat([torch.full((3, 1), 4), start], 1)[:, -longest:]  # what lies further back is forgotten
    monkeypatch.setattr(network, "_attended", within(longest))
    whole = generator.network.logits(generator.network(torch.cat([first, drawn[:, :-1]], 1), condition))
    assert torch.allclose(torch.stack(seen, 1), whole[:, first.shape[1] - 1 :], atol=1e-12)


@pytest.mark.parametrize(("places", "window"), [(3, 4), (4, 4), (5, 4), (8, 4), (23, 5), (7, 1), (9, 0)])
def test_attention_in_a_window_is_attention_with_a_mask(places, window):
    torch.manual_seed(0)
    parts = [torch.randn(2, 3, places, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    found, wanted = network._attended(*parts, window), within(99)(*parts, window)
    assert torch.allclose(found, wanted, atol=1e-12)
    slopes = [torch.autograd.grad(one.square().sum(), parts) for one in (found, wanted)]
    assert all(torch.allclose(one, two, atol=1e-10) for one, two in zip(*slopes, strict=True))


def test_texts_are_drawn_and_scored_in_mixed_precision():
    generator, x = model(dtype=torch.float32, given=2), torch.randint(4, (40, 6))
    condition = torch.randn(40, 2)
    wanted = generator.log_prob(x, condition=condition)
    with torch.autocast("cpu", torch.bfloat16):
        found = generator.log_prob(x, condition=condition)
        cache, codes = generator.network.new_cache(40, 6), torch.cat([torch.full((40, 1), 4), x], 1)
        steps = [generator.network(codes[:, [place]], condition, cache) for place in range(6)]
        logits = generator.network.logits(torch.cat(steps, 1))
    drawn = logits.float().log_softmax(-1).gather(2, x[..., None])[..., 0].sum(1)
    for each in (found, drawn):
        assert each.dtype == torch.float32
        assert (each - wanted).abs().mean() < 0.03 * wanted.abs().mean()


@pytest.mark.full
def test_a_compiled_network_has_the_same_states_and_gradients():
    generator, x = model().requires_grad_(True), torch.randint(4, (3, 6))
    compiled = torch.compile(generator.network, backend="eager", fullgraph=True)
    found = []
    for compute in (generator.network, compiled):
        states = compute(x)
        states.square().sum(0).sin().sum().backward()
        found.append([states, *[parameter.grad.clone() for parameter in generator.parameters()]])
        generator.zero_grad()
    assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(*found, strict=True))


def test_samples_end_and_keep_to_the_options():
    generator = model()
    x = generator.sample(200)
    ends = (x == 4).long()
    assert x.dtype == torch.float64
    assert ((ends.cumsum(1) > 0) == (x == 4)).all()
    likeliest = generator.sample(50, top_k=1)
    assert len(likeliest.unique(dim=0)) == 1


def test_conditions_change_probabilities_and_must_be_given():
    generator, x = model(given=2), torch.randint(4, (3, 6))
    one, two = (generator.log_prob(x, condition=torch.full((3, 2), number).double()) for number in (0.0, 1.0))
    assert (one != two).all()
    with pytest.raises(genzoo.ConfigError, match="conditions of 2 numbers"):
        generator.log_prob(x)


def test_the_loss_is_the_mean_of_minus_the_log_probability_of_texts():
    generator, x = model(), torch.randint(5, (7, 6)).double()
    parts = genzoo.Model(genzoo.Parts(generator))
    assert torch.equal(next_symbol(NextSymbolOptions()).loss(parts, x), -generator.log_prob(x).mean())


def test_an_untrained_model_adds_nothing_in_its_layers():
    network = build(GPTOptions(layers=3), spec(4, 6)).generator.network
    codes = torch.randint(4, (2, 6))
    shallow = torch.nn.functional.rms_norm(network.symbols(codes), (128,))
    assert torch.allclose(network(codes), shallow, atol=2e-3)


def test_a_width_that_does_not_divide_is_an_error():
    with pytest.raises(ValueError, match="width 18 does not divide into even parts for 4 heads"):
        GPTOptions(width=18)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_run_ends_with_equal_bits(tmp_path, precision):
    settings = {
        "batch_size": 8,
        "precision": precision,
        "device": "cpu",
        "layers": 1,
        "width": 8,
        "dropout": 0.1,
        "training": {"ema": 0.9, "grad_clip": 1.0, "grad_accumulation": 2, "schedule": {"name": "constant"}},
    }
    whole = genzoo.train("gpt", WORDS, **settings, steps=12, out=tmp_path / "whole")
    genzoo.train("gpt", WORDS, **settings, steps=5, out=tmp_path / "part")
    part = genzoo.resume(tmp_path / "part", data=WORDS, steps=12)
    one, two = (run.load().generator.state_dict() for run in (whole, part))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert whole.sample(5, seed=1) == part.sample(5, seed=1)


def test_texts_are_embedded_and_scored_by_the_core(tmp_path):
    run = genzoo.train(
        "gpt", WORDS, steps=4, batch_size=8, layers=1, width=8, precision="fp32", device="cpu", out=tmp_path / "run"
    )
    assert run.load().encode(["anna", ""]).shape == (2, 8)
    assert run.load().log_prob(["anna", "zzz"]).shape == (2,)
    assert len(run.sample(3, options={"temperature": 0.5, "top_p": 0.9})) == 3
