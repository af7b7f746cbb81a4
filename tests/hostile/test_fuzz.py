"""A few seconds of what `make fuzz` does at length."""

import pytest

from tests.effort import only_long
from tests.hostile.campaign import campaign


@pytest.mark.parametrize(("tls", "keys"), [(False, False), *only_long((True, False), (False, True), (True, True))])
async def test_whatever_comes_the_server_stays_well(tmp_path, tls, keys):
    long = tls or keys
    report = await campaign(tmp_path, seconds=10 if long else 1, seed=7, idle=200, tls=tls, keys=keys)
    assert report.outcomes.wrong == []
    assert "Traceback" not in report.log
    assert report.leaked == [], f"{report.before} before, {report.after} after"
    assert tls or report.idle_kept == 200
    assert min(report.served, report.nonsense) > 0
    assert {"OK", "INVALID_ARGUMENT"} <= set(report.outcomes.counts)
    assert {"UNAUTHENTICATED", "PERMISSION_DENIED"} <= set(report.outcomes.counts) or not keys
