from genzoo.testing.keeping import keeps_promises


@keeps_promises("gpt", options={"layers": 1, "heads": 2, "width": 8})
def test_gpt(promise):
    promise()
