from collections.abc import Callable

from genzoo.testing import keeps_promises


@keeps_promises("first-vae")
def test_it_keeps_what_genzoo_promises_in_its_name(promise: Callable[[], None]) -> None:
    promise()
