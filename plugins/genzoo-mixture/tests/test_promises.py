from genzoo.testing import keeps_promises


@keeps_promises("gaussian")
def test_gaussian(promise):
    promise()
