"""Who administers an organisation learns nothing of the accounts that somebody's address has in others."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
from reflexio.v1 import access_service_pb2 as pb
from reflexio_server.access.passwords import Passwords
from reflexio_server.domain.access import AuditOutcome
from reflexio_server.domain.identity_errors import LoginRefused, TooManyLogins
from reflexio_server.identity.logins import Attempt, Logins
from reflexio_server.store import audit
from reflexio_server.store.database import Database

from tests.identity.tenants import Tenant
from tests.rpc.wire import Caller as Ask
from tests.rpc.wire import refused

NewTenant = Callable[..., Awaitable[Tenant]]
VICTIM_S, ATTACKER_S = "the victim's password", "the attacker's password"


@pytest.fixture(scope="module")
async def hashes() -> tuple[str, str]:
    passwords = Passwords()
    made = await passwords.hash_of(VICTIM_S), await passwords.hash_of(ATTACKER_S)
    passwords.close()
    return made


@pytest.fixture
async def victim(new_tenant: NewTenant, hashes: tuple[str, str]) -> Tenant:
    """Has an account in an organisation of its own."""
    return await new_tenant(email=f"victim-{uuid4()}@example.com", password_hash=hashes[0])


@pytest.fixture
async def attacker(new_tenant: NewTenant, victim: Tenant, hashes: tuple[str, str]) -> Tenant:
    """Made an account of the victim's address in its own organisation, and chose the password."""
    return await new_tenant(email=victim.email, password_hash=hashes[1])


@pytest.fixture(params=["login", "change_password"])
def action(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Guessing:
    """Attempts from one place, about one address."""

    def __init__(self, logins: Logins, action: str, email: str) -> None:
        self._logins = logins
        self._action = action
        self._email = email
        self._place = f"2001:db8:{uuid4().int % 65536:x}:9::1"

    async def answer(self, password: str, organization: Tenant | None = None) -> type[Exception] | None:
        """What an attempt is refused with; None where it is not. Changed passwords stay what they were."""
        name = organization.name if organization is not None else ""
        attempt = Attempt(self._email, password, name, self._place, "the-call")
        try:
            if self._action == "login":
                await self._logins.login(attempt)
            else:
                await self._logins.change_password(attempt, password, revoke_keys=False)
        except (LoginRefused, TooManyLogins) as refusal:
            return type(refusal)
        return None


@pytest.fixture
async def guessing(keyed_database: Database, action: str, victim: Tenant) -> AsyncIterator[Guessing]:
    passwords = Passwords()
    yield Guessing(Logins(keyed_database, passwords, patience=0), action, victim.email)
    passwords.close()


async def outcomes(database: Database, tenant: Tenant) -> list[tuple[str, AuditOutcome]]:
    found = await audit.events(database, tenant.org_id, action="", before=2**62, limit=100)
    return [(event.action, event.outcome) for event in found]


async def test_a_password_of_one_s_own_pays_for_no_guesses_elsewhere(
    guessing: Guessing, action: str, victim: Tenant, attacker: Tenant, keyed_database: Database
):
    """What fits the attacker's account is a wrong guess about the victim's, unless the attacker's is named."""
    answers = []
    for _ in range(13):
        answers.append(await guessing.answer(ATTACKER_S))
        if answers[-1] is LoginRefused:
            assert await guessing.answer(ATTACKER_S, attacker) is None
    assert answers == [LoginRefused] * 10 + [TooManyLogins] * 3
    assert await guessing.answer(VICTIM_S) is TooManyLogins
    assert await outcomes(keyed_database, victim) == [(action, AuditOutcome.FAILED)] * 10
    assert await outcomes(keyed_database, attacker) == [(action, AuditOutcome.DONE)] * 10


async def test_guesses_with_the_organisation_and_without_are_counted_together(
    guessing: Guessing, victim: Tenant, attacker: Tenant
):
    assert [await guessing.answer("wrong", where) for where in (None, victim) * 5] == [LoginRefused] * 10
    for where in (None, victim, attacker):
        assert await guessing.answer(ATTACKER_S, where) is TooManyLogins


async def test_where_the_attacker_logged_in_is_no_known_place_of_the_victim(
    guessing: Guessing, victim: Tenant, attacker: Tenant
):
    """Else what is counted there would be counted apart from what is guessed elsewhere."""
    assert await guessing.answer(ATTACKER_S, attacker) is None
    assert [await guessing.answer("wrong", attacker) for _ in range(11)] == [LoginRefused] * 10 + [TooManyLogins]
    assert await guessing.answer(VICTIM_S) is None, "nor do failures there count against the victim"
    assert await guessing.answer(VICTIM_S, victim) is None


async def test_the_victim_s_failures_are_not_in_the_attacker_s_trail(
    guessing: Guessing, action: str, victim: Tenant, attacker: Tenant, keyed_database: Database
):
    for where in (None, victim):
        assert await guessing.answer("mistyped", where) is LoginRefused
        assert await guessing.answer(VICTIM_S, where) is None
    assert await outcomes(keyed_database, attacker) == []
    assert [outcome for _, outcome in await outcomes(keyed_database, victim)] == [
        AuditOutcome.DONE,
        AuditOutcome.FAILED,
    ] * 2


async def test_naming_one_s_own_organisation_tells_nothing_of_others(
    ask: Ask, victim: Tenant, attacker: Tenant, keyed_database: Database
):
    answers = []
    for guess in (VICTIM_S, "wrong"):
        login = pb.LoginRequest(email=victim.email, password=guess, organization_name=attacker.name)
        answers.append(await refused(ask("Login", login, metadata=[("x-request-id", "the-call")])))
    assert answers[0] == answers[1]
    assert (answers[0].reason, "name the organisation" in answers[0].message) == ("LOGIN_REFUSED", True)
    assert await outcomes(keyed_database, victim) == []
