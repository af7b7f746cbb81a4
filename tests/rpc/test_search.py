"""What a search answers beside what it found: what each score is made of, and how the query was understood."""

from datetime import UTC, datetime

import pytest
from reflexio.v1 import interaction_service_pb2 as pb

from tests.rpc.wire import Caller

MODES = [pb.SEARCH_MODE_VECTOR, pb.SEARCH_MODE_FTS, pb.SEARCH_MODE_HYBRID, pb.SEARCH_MODE_UNSPECIFIED]
EACH_MODE = pytest.mark.parametrize("mode", MODES, ids=pb.SearchMode.Name)
QUESTION = "what did Ann say about the tea on 3 June 2023?"


@pytest.fixture
async def there(call: Caller, user_id: str) -> str:
    """A user with three interactions, of which the first is asked for."""
    moment = int(datetime(2023, 6, 3, 8, tzinfo=UTC).timestamp())
    said = [
        {"role": "Ann", "content": "the tea is too hot", "created_at": {"seconds": moment}},
        {"role": "Ben", "content": "is the tea too hot?", "created_at": {"seconds": moment - 10**7}},
        {"role": "Ben", "content": "quite another thing", "created_at": {"seconds": moment - 10**7}},
    ]
    await call("PublishInteractions", pb.PublishInteractionsRequest(user_id=user_id, interactions=said))
    return user_id


@EACH_MODE
async def test_parts_add_up_to_the_score(call: Caller, there: str, mode: pb.SearchMode):
    search = pb.SearchInteractionsRequest(user_id=there, query=QUESTION, search_mode=mode, explain=True)
    found = await call("SearchInteractions", search)
    assert found.hits[0].interaction.content == "the tea is too hot"
    for hit in found.hits:
        parts = [value for _, value in _fields(hit.explanation)]
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(hit.score, abs=1e-6)
        assert 0 <= hit.score <= 1
    best = found.hits[0].explanation
    assert best.role > 0
    assert best.time > 0
    assert (best.words > 0) is (mode != pb.SEARCH_MODE_VECTOR)
    assert (best.meaning > 0) is (mode != pb.SEARCH_MODE_FTS)
    assert (best.statement > 0) is (mode != pb.SEARCH_MODE_VECTOR)


async def test_how_a_query_was_understood_is_told(call: Caller, there: str):
    search = pb.SearchInteractionsRequest(user_id=there, query=QUESTION, explain=True)
    understood = (await call("SearchInteractions", search)).interpretation
    assert list(understood.roles) == ["Ann"]
    [span] = understood.spans
    assert (span.start_time.ToDatetime(), span.end_time.ToDatetime()) == (datetime(2023, 6, 3), datetime(2023, 6, 4))


async def test_any_date_can_be_told(call: Caller, there: str):
    for text, years in (
        ("0001-01-01", [1]),
        ("in 0001", [1]),
        ("9998-12-31", [9998]),
        ("9999-12-31", []),
        ("in 9998", [9998]),
    ):
        search = pb.SearchInteractionsRequest(user_id=there, query=f"tea {text}", explain=True)
        spans = (await call("SearchInteractions", search)).interpretation.spans
        assert [span.start_time.ToDatetime().year for span in spans] == years


async def test_nothing_is_explained_that_nobody_asked_for(call: Caller, there: str):
    found = await call("SearchInteractions", pb.SearchInteractionsRequest(user_id=there, query=QUESTION))
    assert not found.HasField("interpretation")
    assert [hit.HasField("explanation") for hit in found.hits] == [False] * 3


async def test_without_a_query_there_is_nothing_to_explain(call: Caller, there: str):
    search = pb.SearchInteractionsRequest(user_id=there, query=" ", explain=True, min_score=1)
    found = await call("SearchInteractions", search)
    assert [(hit.score, hit.HasField("explanation")) for hit in found.hits] == [(0, False)] * 3
    assert found.interpretation == pb.QueryInterpretation()


@EACH_MODE
async def test_only_what_reaches_the_score_comes(call: Caller, there: str, mode: pb.SearchMode):
    search = pb.SearchInteractionsRequest(user_id=there, query="hot tea", search_mode=mode)
    everything = list((await call("SearchInteractions", search)).hits)
    for least in [*(hit.score for hit in everything), 0.0, 1.0]:
        search.min_score = least
        found = list((await call("SearchInteractions", search)).hits)
        assert found == [hit for hit in everything if hit.score >= least]


def _fields(message: pb.ScoreExplanation) -> list[tuple[str, float]]:
    return [(field.name, getattr(message, field.name)) for field in pb.ScoreExplanation.DESCRIPTOR.fields]
