"""Check the output of a command that fails with an error."""

from __future__ import annotations


def assert_refused(result, code: int, *words: str) -> None:
    """Check for one paragraph with `words` on stderr, the exit code, and no traceback."""
    found, out, err = result
    assert found == code, (found, out, err)
    assert "Traceback" not in err
    paragraph = " ".join(err[err.index("Error:") :].split())
    for word in words:
        assert word in paragraph, paragraph
