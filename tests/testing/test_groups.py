"""Tests of one group must run in one process: they share models, pages or an environment."""

import pytest


@pytest.mark.xdist_group("groups")
def test_pytest_and_its_plugin_agree_on_groups(request):
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("tests are not distributed by group")
    assert request.node.nodeid.endswith("@groups")
