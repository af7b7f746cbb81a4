"""Guessing is limited and tells nothing; the owner of an account gets in all the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from unittest.mock import patch
from uuid import uuid4

import argon2
import grpc
import pytest
from grpc import StatusCode
from reflexio.v1 import access_service_pb2 as pb
from reflexio.v1 import server_service_pb2 as server
from reflexio_server.access import passwords
from reflexio_server.access.caller import OPERATOR
from reflexio_server.access.passwords import Passwords
from reflexio_server.domain.access import AuditOutcome
from reflexio_server.domain.errors import TooManyCalls
from reflexio_server.domain.identity_errors import LoginRefused, TooManyLogins
from reflexio_server.identity.logins import Attempt, Logins
from reflexio_server.store import audit
from reflexio_server.store.database import Database

from tests.identity.tenants import Tenant
from tests.rpc.wire import Caller as Ask
from tests.rpc.wire import refused

NewTenant = Callable[..., Awaitable[Tenant]]
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
async def hashing() -> AsyncIterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


@pytest.fixture
def logins(keyed_database: Database, hashing: Passwords) -> Logins:
    """Where nobody waits for others: the tests of that make their own."""
    return Logins(keyed_database, hashing, patience=0)


@pytest.fixture
async def ana(new_tenant: NewTenant, hashing: Passwords) -> Tenant:
    """An organisation whose administrator has a password."""
    return await new_tenant(email=f"ana-{uuid4()}@example.com", password_hash=await hashing.hash_of(PASSWORD))


def attempt(email: str, password: str = "wrong", address: str = "", organization: str = "") -> Attempt:
    return Attempt(email, password, organization, address or f"192.0.2.{uuid4().int % 250}", "the-call")


async def failures(logins: Logins, email: str, count: int, address: str = "") -> list[type[Exception]]:
    """What so many wrong guesses are answered."""
    answers: list[type[Exception]] = []
    for number in range(count):
        with pytest.raises((LoginRefused, TooManyLogins)) as refusal:
            await logins.login(attempt(email, address=address or f"198.51.100.{number}"))
        answers.append(refusal.type)
    return answers


async def test_an_unknown_address_and_a_wrong_password_are_answered_alike(ask: Ask, ana: Tenant):
    answers = []
    for email in (ana.email, f"nobody-{uuid4()}@example.com"):
        login = pb.LoginRequest(email=email, password="wrong")
        refusal = await refused(ask("Login", login, metadata=[("x-request-id", "the-call")]))
        change = pb.ChangePasswordRequest(email=email, current_password="wrong", new_password=PASSWORD)
        answers.append((refusal, await refused(ask("ChangePassword", change, metadata=[("x-request-id", "the-call")]))))
    assert answers[0] == answers[1]
    assert (answers[0][0].code, answers[0][0].reason) == (StatusCode.UNAUTHENTICATED, "LOGIN_REFUSED")
    assert answers[0][0] == answers[0][1]


async def test_the_address_counts_without_its_case(ask: Ask, ana: Tenant):
    token = await ask("Login", pb.LoginRequest(email=ana.email.upper(), password=PASSWORD))
    assert token.key.account_email == ana.email


async def test_guesses_of_one_address_are_limited_wherever_they_come_from(logins: Logins, ana: Tenant):
    answers = await failures(logins, ana.email, 13)
    assert answers == [LoginRefused] * 10 + [TooManyLogins] * 3
    with pytest.raises(TooManyLogins) as refusal:
        await logins.login(attempt(ana.email, PASSWORD))
    assert refusal.value.retry_after is not None
    assert 0 < refusal.value.retry_after <= 60


async def test_who_came_from_there_before_is_let_in_whatever_others_guess(logins: Logins, ana: Tenant):
    home = f"203.0.113.{uuid4().int % 250}"
    await logins.login(attempt(ana.email, PASSWORD, home))
    await failures(logins, ana.email, 13)
    account, _ = await logins.login(attempt(ana.email, PASSWORD, home))
    assert account.org_id == ana.org_id
    assert (await failures(logins, ana.email, 12, home))[-2:] == [TooManyLogins] * 2, "but not without limit"


async def test_an_unknown_address_is_limited_like_a_known_one(logins: Logins):
    answers = await failures(logins, f"nobody-{uuid4()}@example.com", 12)
    assert answers == [LoginRefused] * 10 + [TooManyLogins] * 2


async def test_one_client_cannot_try_all_addresses(logins: Logins):
    network = f"2001:db8:{uuid4().int % 65536:x}:7"
    answers = []
    for number in range(52):
        email = f"nobody-{uuid4()}@example.com"
        answers += await failures(logins, email, 1, f"{network}::{number + 1:x}")
    assert answers == [LoginRefused] * 50 + [TooManyLogins] * 2, "addresses of one network are one client"


async def test_logins_that_succeed_cost_nothing(logins: Logins, ana: Tenant):
    for _ in range(15):
        await logins.login(attempt(ana.email, PASSWORD))


async def test_guesses_at_the_same_time_are_counted_too(logins: Logins, ana: Tenant):
    results = await asyncio.gather(
        *(logins.login(attempt(ana.email, address=f"198.51.100.{n}")) for n in range(25)), return_exceptions=True
    )
    assert sum(isinstance(result, LoginRefused) for result in results) == 10


@pytest.mark.parametrize("known", [True, False])
async def test_many_who_start_together_are_let_in(
    known: bool, keyed_database: Database, hashing: Passwords, ana: Tenant
):
    patient = Logins(keyed_database, hashing, patience=30)
    home = f"203.0.113.{uuid4().int % 250}"
    if known:
        await patient.login(attempt(ana.email, PASSWORD, home))
    for answer in await asyncio.gather(*(patient.login(attempt(ana.email, PASSWORD, home)) for _ in range(20))):
        assert answer[0].org_id == ana.org_id


@pytest.mark.parametrize("exists", [True, False])
async def test_waiting_for_others_lets_in_no_more_guesses(
    exists: bool, keyed_database: Database, hashing: Passwords, ana: Tenant
):
    patient = Logins(keyed_database, hashing, patience=0.5)
    email = ana.email if exists else f"nobody-{uuid4()}@example.com"
    guesses = [patient.login(attempt(email, address=f"198.51.100.{n}")) for n in range(15)]
    results = [type(result) for result in await asyncio.gather(*guesses, return_exceptions=True)]
    assert (results.count(LoginRefused), results.count(TooManyLogins)) == (10, 5)


async def test_who_waits_for_others_is_answered_within_its_deadline(
    keyed_database: Database, hashing: Passwords, ana: Tenant
):
    patient = Logins(keyed_database, hashing, patience=3600)
    await failures(Logins(keyed_database, hashing, patience=0), ana.email, 10)
    with pytest.raises(TooManyLogins):
        async with asyncio.timeout(30):
            await patient.login(replace(attempt(ana.email), seconds_left=1.0))


async def test_an_attempt_that_was_not_looked_at_is_none(logins: Logins, ana: Tenant, hashing: Passwords):
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(passwords, "_MOST_WAITING", 0)
        for _ in range(12):
            with pytest.raises(TooManyCalls):
                await logins.login(attempt(ana.email))
    await logins.login(attempt(ana.email, PASSWORD))


@pytest.mark.parametrize("who", ["wrong", "unknown", "in two organisations", "disabled"])
async def test_each_attempt_costs_one_comparison(
    who: str, logins: Logins, ana: Tenant, new_tenant: NewTenant, keyed_database: Database
):
    email = f"nobody-{uuid4()}@example.com" if who == "unknown" else ana.email
    if who == "in two organisations":
        await new_tenant(email=ana.email)
    if who == "disabled":
        async with keyed_database.direct(ana.org_id) as connection:
            await connection.execute("update accounts set disabled_at = now() where org_id = $1", ana.org_id)
    with patch.object(
        argon2.PasswordHasher, "verify", autospec=True, side_effect=argon2.PasswordHasher.verify
    ) as verify:
        assert await failures(logins, email, 1) == [LoginRefused]
    assert verify.call_count == 1


async def test_known_and_unknown_are_told_the_same_time(logins: Logins, ana: Tenant):
    home = f"203.0.113.{uuid4().int % 250}"
    await logins.login(attempt(ana.email, PASSWORD, home))
    told = []
    for email in (ana.email, f"nobody-{uuid4()}@example.com"):
        answers = await asyncio.gather(
            *(logins.login(attempt(email, address=home)) for _ in range(11)), return_exceptions=True
        )
        [refusal] = [answer for answer in answers if isinstance(answer, TooManyLogins)]
        told.append(refusal.retry_after)
    assert all(50 < seconds <= 60 for seconds in told)


async def test_logins_are_written_down_and_what_was_typed_is_not(logins: Logins, ana: Tenant, keyed_database: Database):
    _, made = await logins.login(attempt(ana.email, PASSWORD, "192.0.2.7"))
    await failures(logins, ana.email, 1, "192.0.2.8")
    typed = f"my-password-{uuid4()}@example.com"
    await failures(logins, typed, 1, "192.0.2.9")
    events = await audit.events(keyed_database, ana.org_id, action="login", before=2**62, limit=10)
    assert [(e.author.actor, e.author.credential, e.author.address, e.target, e.outcome) for e in events] == [
        (ana.email, "password", "192.0.2.8", ana.email, AuditOutcome.FAILED),
        (ana.email, "password", "192.0.2.7", f"key {made.key.api_key_id}", AuditOutcome.DONE),
    ]
    of_operator = await audit.events(keyed_database, OPERATOR, action="login", before=2**62, limit=1000)
    assert ("unknown", "192.0.2.9") in {(event.author.actor, event.author.address) for event in of_operator}
    assert typed not in repr(of_operator)


async def test_a_password_is_changed_by_who_knows_it(ask: Ask, ana: Tenant):
    key = (await ask("Login", pb.LoginRequest(email=ana.email, password=PASSWORD))).api_key
    change = pb.ChangePasswordRequest(email=ana.email, current_password=PASSWORD, new_password="another password")
    assert (await ask("ChangePassword", change)).revoked_api_keys_count == 0
    await ask("WhoAmI", server.WhoAmIRequest(), metadata=[("authorization", f"Bearer {key}")])
    assert (await refused(ask("Login", pb.LoginRequest(email=ana.email, password=PASSWORD)))).reason == "LOGIN_REFUSED"
    back = pb.ChangePasswordRequest(
        email=ana.email, current_password="another password", new_password=PASSWORD, revoke_api_keys=True
    )
    assert (await ask("ChangePassword", back)).revoked_api_keys_count == 4
    refusal = await refused(ask("WhoAmI", server.WhoAmIRequest(), metadata=[("authorization", f"Bearer {key}")]))
    assert refusal.reason == "API_KEY_INVALID"


async def test_a_bad_key_is_no_hindrance_to_logging_in(ask: Ask, ana: Tenant):
    login = pb.LoginRequest(email=ana.email, password=PASSWORD)
    assert (await ask("Login", login, metadata=[("authorization", "Bearer of-the-reader")])).api_key


async def test_hashes_of_before_are_renewed_at_a_login(
    logins: Logins, ana: Tenant, keyed_database: Database, hashing: Passwords, monkeypatch: pytest.MonkeyPatch
):
    query = "select password_hash from accounts where org_id = $1"

    async def kept() -> str:
        async with keyed_database.direct(ana.org_id) as connection:
            found: str = await connection.fetchval(query, ana.org_id)
        return found

    before = await kept()
    await logins.login(attempt(ana.email, PASSWORD))
    assert await kept() == before
    monkeypatch.setattr(hashing, "is_outdated", lambda _: True)
    await logins.login(attempt(ana.email, PASSWORD))
    assert await kept() != before
    await logins.login(attempt(ana.email, PASSWORD))


async def test_no_secret_is_shown_by_what_holds_it(logins: Logins, ana: Tenant):
    tried = attempt(ana.email, PASSWORD)
    account, made = await logins.login(tried)
    for shown in (repr(tried), repr(account), repr(made), str(made)):
        assert PASSWORD not in shown
        assert made.secret not in shown
        assert "argon2" not in shown


async def test_where_authentication_is_off_everybody_logs_in(server, keyed_database: Database):
    async with grpc.aio.insecure_channel(server.target) as channel:
        login = channel.unary_unary(
            "/reflexio.v1.AccessService/Login",
            request_serializer=pb.LoginRequest.SerializeToString,
            response_deserializer=pb.LoginResponse.FromString,
        )
        answers = [await login(pb.LoginRequest(email="you@example.com", password="secret")) for _ in range(2)]
    assert all(answer.api_key.startswith("rflx-") for answer in answers)
    assert answers[0].api_key != answers[1].api_key
    assert (answers[0].organization_id, answers[0].HasField("key")) == (1, False)
