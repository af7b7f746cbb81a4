"""Two organisations of one server that have everything in common but one word."""

import time
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from google.protobuf.message import Message
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio_server.access.caller import AccessRole
from reflexio_server.domain.ids import OrgId
from reflexio_server.store import accounts
from reflexio_server.store.database import Database

from tests.identity.tenants import Tenant, make_tenant
from tests.rpc import wire
from tests.validate.pictures import picture

USER, SESSION, KEY, EMAIL = "ann", "monday", "first try", "head@example.com"
"""What both have: a user with a session, a key under which something was published, and an administrator."""

_PICTURE = picture()

_numbers = count(1)


@dataclass(frozen=True)
class Organisation:
    """One of the two, as its caller sees it."""

    tenant: Tenant
    call_as: wire.Caller
    secret: str
    """A word that only its texts have."""
    request_id: str
    """Of the request that both have."""
    first_id: int
    """The first of its two interactions; they have the same ids in both."""
    own_request_id: str
    """Of a request that only this one has, in a session of its own."""
    own_session_id: str
    own_user_id: str
    own_email: str
    own_first_id: int

    async def call(self, method: str, request: Message) -> Any:
        """Call the server as an administrator of this organisation."""
        return await self.call_as(method, request, metadata=self.tenant.bearer())

    @property
    def org_id(self) -> OrgId:
        """Its number."""
        return self.tenant.org_id

    @property
    def marks(self) -> tuple[str, ...]:
        """What must not appear in an answer to anybody else."""
        return (self.secret, self.own_request_id, self.own_session_id, self.own_user_id, self.own_email)


async def two_organisations(caller: wire.Caller, database: Database) -> tuple[Organisation, Organisation]:
    """Two that nobody else uses, filled alike, on the server of `caller` with this database."""
    shared, now = str(uuid4()), int(time.time())
    first_id = 10_000_000_000 + 100 * next(_numbers)
    made = []
    for number, secret in enumerate(("alpha", "bravo")):
        tenant = await make_tenant(database, email=EMAIL)
        org_id = tenant.org_id
        own = Organisation(
            tenant=tenant,
            call_as=caller,
            secret=f"{secret}{org_id}z",
            request_id=shared,
            first_id=first_id,
            own_request_id=str(UUID(int=UUID(shared).int ^ (number + 1))),
            own_session_id=f"session of number {org_id}.",
            own_user_id=f"user of number {org_id}.",
            own_email=f"{secret}{org_id}z@example.com",
            own_first_id=first_id + 10 * (number + 1),
        )
        said = ("good morning, the kettle is on", f"the password of the kettle is {own.secret}")
        records = [
            _record(own.request_id, USER, SESSION, own.first_id, said, now),
            _record(own.own_request_id, own.own_user_id, own.own_session_id, own.own_first_id, said, now),
        ]
        for record in records:
            [answer] = await own.call("ImportData", data.ImportDataRequest(request=record))
            assert answer.imported_interactions_count == len(said)
        await own.call("PublishInteractions", publish_under_key(own))
        async with database.direct(own.org_id) as connection:
            assert await accounts.create(connection, own.org_id, own.own_email, AccessRole.MEMBER, "")
        made.append(own)
    return made[0], made[1]


def publish_under_key(own: Organisation, content: str = "tea is ready") -> interactions.PublishInteractionsRequest:
    """What both publish under the same key."""
    return interactions.PublishInteractionsRequest(
        user_id=USER,
        session_id=SESSION,
        idempotency_key=KEY,
        wait_for_response=True,
        interactions=[{"content": content, "image": _PICTURE}, {"content": f"thanks, {own.secret}"}],
    )


def _record(
    request_id: str, user_id: str, session_id: str, first_id: int, said: tuple[str, ...], now: int
) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "user_id": user_id,
        "session_id": session_id,
        "created_at": {"seconds": now},
        "interactions": [
            {"interaction_id": first_id + place, "content": content, "created_at": {"seconds": now + place}}
            for place, content in enumerate(said)
        ],
    }
