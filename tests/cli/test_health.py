"""`reflexio health`, as a container's health check calls it."""

import asyncio


def test_a_server_that_serves_is_healthy_whatever_the_key(run, server):
    result = run("health")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "serving\n", "")


def test_one_whose_database_is_away_is_not(run, server):
    async def turn(serving):
        server.app._server.set_serving(serving=serving)

    asyncio.run_coroutine_threadsafe(turn(False), server._loop).result(5)
    try:
        result = run("health")
    finally:
        asyncio.run_coroutine_threadsafe(turn(True), server._loop).result(5)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is not serving" in result.stderr


def test_where_nothing_answers_there_is_no_health(run):
    result = run("health", "--url", "http://127.0.0.1:1", "--timeout", "1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Is `reflexio serve` running there" in result.stderr
    assert result.stderr == run("status", "--url", "http://127.0.0.1:1").stderr.splitlines(keepends=True)[0]
