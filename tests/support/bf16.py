"""Make PyTorch report native bfloat16 or not: `GENZOO_TEST_BF16` is `on` or `off`. Unset, it reports the CPU's answer.

PyTorch computes in bfloat16 on any CPU, so both cases can be tested on all of them.
"""

from __future__ import annotations

import os

import pytest
import torch

VARIABLE = "GENZOO_TEST_BF16"
_ANSWERS = {"on": True, "off": False}
_asked: list[bool] = []


def force(answer: str | None = os.environ.get(VARIABLE)) -> None:
    """Make PyTorch report that this CPU has native bfloat16, or has not, and record that it was asked."""
    capabilities = dict(getattr(torch.cpu, "get_capabilities", dict)())
    if answer is not None:
        capabilities.update(dict.fromkeys(("avx512_bf16", "amx_bf16"), _ANSWERS[answer]))

    def get_capabilities() -> dict[str, object]:
        _asked.append(True)
        return capabilities

    torch.cpu.get_capabilities = get_capabilities


def was_asked() -> bool:
    """Whether this process asked PyTorch, or `ask` said that another one did."""
    return bool(_asked)


def ask() -> None:
    """Count as asked here what a process asked that this one waited for."""
    _asked.append(True)


class Guard:
    """Fails tests that ask for bfloat16 and are marked neither `precision` nor `once`: they would never run without.

    A test asks, too, if one of its fixtures did, even if an earlier test had it set up.
    """

    def __init__(self) -> None:
        self._fixtures: set[tuple[str, str]] = set()  # folder, file or class, and name

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark README.md: it trains networks, and its output must not depend on the CPU."""
        if isinstance(item, pytest.DoctestItem) and item.path.name == "README.md":
            item.add_marker("once")

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]):
        before = len(_asked)
        found = yield
        if len(_asked) > before:
            self._fixtures.add((fixturedef.baseid, fixturedef.argname))
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item):
        _asked.clear()
        found = yield
        names = getattr(item, "fixturenames", ())
        asked = was_asked() or any(name in names and item.nodeid.startswith(base) for base, name in self._fixtures)
        if asked and not any(item.get_closest_marker(name) for name in ("precision", "once")):
            pytest.fail(
                "This test depends on the CPU's bfloat16. Name a precision, or mark the test `precision`, or `once` if "
                "it is about something else."
            )
        return found
