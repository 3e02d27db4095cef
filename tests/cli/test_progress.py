"""What is shown while a model trains."""

import re

import pytest

from genzoo.cli.progress import Display
from genzoo.engine.schedule import Budget
from genzoo.training.trainer import Step


@pytest.mark.parametrize(
    ("budget", "line"),
    [
        (Budget(1000, None), "50%  step 500/1000  epoch 1    30 s"),
        (Budget(None, 60.0), "50%  step 500  epoch 1    30/60 s"),
        (Budget(1000, 600.0), "50%  step 500/1000  epoch 1    30 s"),
        (Budget(3800, 60.0), "50%  step 500  epoch 1    30/60 s"),
        (Budget(1000, 60.0), "50%  step 500/1000  epoch 1    30 s"),
        (Budget(None, None), "0%  step 500  epoch 1    30 s"),
    ],
)
def test_the_limit_that_the_percentage_counts_is_shown_alone(capsys, budget, line):
    with Display() as display:
        display.training(budget)
        display(Step(500, 1, budget.spent(500, 30.0), 30.0, False, False))
    assert capsys.readouterr().err.splitlines()[-1].strip() == line


def test_percentage_and_counts_agree_where_one_limit_overtakes_the_other(capsys):
    budget = Budget(100, 60.0)
    with Display() as display:
        display.training(budget)
        for number, seconds in [(1, 20.0), (10, 26.0), (40, 30.0), (70, 36.0), (100, 45.0)]:
            display(Step(number, 1, budget.spent(number, seconds), seconds, False, False))
    lines = [line for line in capsys.readouterr().err.splitlines() if "%" in line]
    assert len(lines) == 5
    for line in lines:
        percent = int(line.partition("%")[0])
        ((done, limit),) = re.findall(r"(\d+)/(\d+)", line)
        assert abs(percent - 100 * int(done) / int(limit)) <= 1, line
