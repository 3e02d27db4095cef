import pytest
import torch

from genzoo import Batch, DataSpec, Feature, Model, Progress
from genzoo_first_gan.adversarial import Adversarial
from genzoo_first_gan.model import build
from genzoo_first_gan.options import AdversarialOptions, GANOptions


@pytest.mark.parametrize(("loss", "critic", "generator"), [("hinge", 2.0, 0.0), ("non-saturating", 1.3863, 0.6931)])
def test_a_critic_that_knows_nothing_has_the_losses_of_logits_of_0(loss: str, critic: float, generator: float) -> None:
    table = DataSpec((2,), "table", (Feature("a"), Feature("b")))
    model = Model(build(GANOptions(width=8), table))
    assert model.critic is not None
    for parameter in model.critic.parameters():
        parameter.data.zero_()
    objective = Adversarial(AdversarialOptions.model_validate({"loss": loss}))
    steps = objective.losses(model, Batch(torch.randn(16, 2)), Progress.start(torch.device("cpu")))
    found = {name: value.item() for step in steps for name, value in step.items()}
    assert found == pytest.approx({"critic": critic, "generator": generator}, abs=1e-3)
