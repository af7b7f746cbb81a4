"""A few seconds of what `make fuzz` does at length."""

from tests.hostile.campaign import campaign


async def test_whatever_comes_the_server_stays_well(tmp_path):
    report = await campaign(tmp_path, seconds=1, seed=7, idle=200)
    assert report.outcomes.wrong == []
    assert "Traceback" not in report.log
    assert report.leaked == [], f"{report.before} before, {report.after} after"
    assert report.idle_kept == 200
    assert min(report.served, report.nonsense) > 0
    assert {"OK", "INVALID_ARGUMENT"} <= set(report.outcomes.counts)
