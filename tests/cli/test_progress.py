"""How far a command is, told in lines."""

from __future__ import annotations

import pytest

from regulars.cli.progress import progress


def test_the_pace_is_that_since_the_first_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr("regulars.cli.progress.time.perf_counter", lambda: clock[0])
    with progress("features", "customers") as tell:
        for seconds, done in ((600.0, 400), (610.0, 500), (620.0, 600), (700.0, 1_000)):
            clock[0] = seconds
            tell(done, 1_000)
    said = capsys.readouterr().err.splitlines()
    # At 600 s it was at 400, which is told with no pace; at 620 s it has done 200 in 20 s, and 400 are left.
    assert said == ["· features: 400 of 1,000 customers", "· features: 600 of 1,000 customers, about 40 s to go"]
