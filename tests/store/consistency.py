"""What must hold between the tables after any history."""

from collections.abc import Awaitable, Callable

from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database
from sqlalchemy import text

_VIOLATIONS = {
    "interactions without their request": """
        select count(*) from interactions i where org_id = :org_id
        and not exists (select from requests r where r.org_id = i.org_id and r.request_id = i.request_id)""",
    "images without their interaction": """
        select count(*) from images d where org_id = :org_id
        and not exists (select from interactions i where (i.org_id, i.interaction_id) = (d.org_id, d.interaction_id)
        )""",
    "queue rows without their interaction": """
        select count(*) from embedding_queue d where org_id = :org_id
        and not exists (select from interactions i where (i.org_id, i.interaction_id) = (d.org_id, d.interaction_id)
        )""",
    "vectors without their interaction": """
        select count(*) from vectors d where org_id = :org_id
        and not exists (select from interactions i where (i.org_id, i.interaction_id) = (d.org_id, d.interaction_id)
        )""",
    "interactions without their image": """
        select count(*) from interactions i where org_id = :org_id and has_image
        and not exists (select from images d where d.org_id = i.org_id and d.interaction_id = i.interaction_id)""",
    "interactions neither queued nor embedded": """
        select count(*) from interactions i where org_id = :org_id and lexemes is not null
        and not exists (select from embedding_queue d where d.org_id = i.org_id and d.interaction_id = i.interaction_id)
        and not exists (
            select from vectors d where d.org_id = i.org_id and d.interaction_id = i.interaction_id
            and d.model = coalesce((select model from embedding_models where state = 'active'), d.model))""",
    "interactions both queued and embedded": """
        select count(distinct d.interaction_id) from embedding_queue d
        join vectors v on v.org_id = d.org_id and v.interaction_id = d.interaction_id
        where d.org_id = :org_id and d.failed_model is null
        and v.model = coalesce((select model from embedding_models where state = 'active'), v.model)""",
    "vectors with words that are not the first of their interaction": """
        select count(*) from vectors where org_id = :org_id and chunk <> 0 and words is not null""",
    "requests that lost interactions which nobody deleted": """
        select count(*) from requests r where org_id = :org_id
        and not exists (select from interactions i where i.org_id = r.org_id and i.request_id = r.request_id)""",
}


async def violations(database: Database, org_id: OrgId) -> dict[str, int]:
    """What does not hold, and how often. An empty request counts too: for tests that delete no single interaction."""
    async with database.autocommit(org_id) as connection:

        async def count(query: str) -> int:
            return (await connection.execute(text(query), {"org_id": org_id})).scalar_one()

        return await violations_of(count)


async def violations_of(count: Callable[[str], Awaitable[int]]) -> dict[str, int]:
    """The same, where `count` gives the only value of a query, which has a parameter `org_id`."""
    counts = {name: await count(query) for name, query in _VIOLATIONS.items()}
    return {name: number for name, number in counts.items() if number}
