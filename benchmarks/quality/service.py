"""The service as its users run it, once for each text search configuration that the conversations need."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import groupby

from reflexio import AsyncReflexioClient

from benchmarks.database import new_database, postgres
from benchmarks.processes import listening
from benchmarks.quality.asking import Answer, Asked, ask_all, publish
from benchmarks.quality.dataset import Conversation
from benchmarks.stand import settled


async def answers_to(conversations: Sequence[Conversation], modes: Sequence[str]) -> list[Answer]:
    """What the service finds for every question in each mode.

    Everything is published and embedded before the first question.
    """
    answers: list[Answer] = []
    ordered = sorted(conversations, key=_text_search_config)
    async with postgres() as url:
        for config, group in groupby(ordered, key=_text_search_config):
            database = await new_database(url, f"quality_{config}")
            answers += await _answers_with(config, database, list(group), modes)
    return answers


def _text_search_config(conversation: Conversation) -> str:
    return conversation.text_search_config


async def _answers_with(
    config: str, database_url: str, conversations: Sequence[Conversation], modes: Sequence[str]
) -> list[Answer]:
    async with AsyncExitStack() as started:
        arguments = ("--database-url", database_url, "--text-search-config", config)
        address = await started.enter_async_context(
            listening("reflexio_server", "serve", "--port", "0", "--log-level", "warning", *arguments)
        )
        client = await started.enter_async_context(AsyncReflexioClient(url_endpoint=address))
        now = datetime.now(UTC)
        asked = [Asked(conversation, now) for conversation in conversations]
        await publish(client, asked)
        await settled(client)
        pairs = [(one, conversation.questions) for one, conversation in zip(asked, conversations, strict=True)]
        return [answer for mode in modes for answer in await ask_all(client, pairs, mode)]
