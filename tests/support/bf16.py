"""Native bfloat16 as a test run would have it: `GENZOO_TEST_BF16` is `on` or `off`; without it, as the CPU has it.

PyTorch computes in bfloat16 on any CPU, so both can be tested on all of them.
"""

from __future__ import annotations

import os

import pytest
import torch

VARIABLE = "GENZOO_TEST_BF16"
_ANSWERS = {"on": True, "off": False}
_asked: list[bool] = []


def force(answer: str | None = os.environ.get(VARIABLE)) -> None:
    """Have PyTorch say that this CPU has native bfloat16, or has not; and note that it was asked."""
    capabilities = dict(torch.cpu.get_capabilities())
    if answer is not None:
        capabilities.update(dict.fromkeys(("avx512_bf16", "amx_bf16"), _ANSWERS[answer]))

    def told() -> dict[str, object]:
        _asked.append(True)
        return capabilities

    torch.cpu.get_capabilities = told


class Guard:
    """Fails a test that asked and is not marked `precision`, as `make precision` would not run it."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item):
        _asked.clear()
        found = yield
        if _asked and item.get_closest_marker("precision") is None:
            pytest.fail("It depends on whether this CPU has bfloat16. Name a precision, or mark it `precision`.")
        return found
