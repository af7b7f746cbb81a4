"""A URI in a client's certificate stands for a key, where clients show certificates."""

from pathlib import Path
from uuid import uuid4

import pytest
import reflexio
from reflexio import TlsOptions

from tests.certificates import Authority, Files
from tests.client.shells import SHELLS, opened
from tests.identity.tenants import Tenant, made
from tests.running import Postgres, RunningServer, running_server


@pytest.fixture(scope="module")
def mesh() -> Authority:
    """Who vouches for everybody here."""
    return Authority("mesh")


@pytest.fixture(scope="module")
def stand(postgres: Postgres, mesh: Authority, tmp_path_factory: pytest.TempPathFactory):
    """A server that asks for certificates and for keys, with its operator and another organisation."""
    files = Files(tmp_path_factory.mktemp("server"))
    files.put(mesh.issue("localhost", "127.0.0.1"), mesh)
    url = postgres.new_database()
    settings = {"tls_cert": files.cert, "tls_key": files.key, "tls_client_ca": files.ca}
    with running_server(url, auth="api-key", **settings) as server:
        yield server, made(url, org_id=1), made(url)


def shown(folder: Path, mesh: Authority, *names: str) -> TlsOptions:
    """A certificate with these names."""
    files = Files(folder)
    files.put(mesh.issue(*names), mesh)
    return TlsOptions(ca_cert=files.ca, client_cert=files.cert, client_key=files.key)


@pytest.mark.parametrize("kind", SHELLS)
async def test_a_uri_stands_for_an_organisation_while_the_operator_says_so(
    kind: str, stand: tuple[RunningServer, Tenant, Tenant], mesh: Authority, tmp_path: Path
):
    server, operator, tenant = stand
    endpoint, uri = f"https://{server.target}", f"spiffe://example.com/{uuid4()}"
    tls = shown(tmp_path, mesh, "agent", uri)
    async with (
        opened(kind, endpoint, tls=tls, api_key=operator.keys[3]) as admin,
        opened(kind, endpoint, tls=tls) as agent,
    ):
        with pytest.raises(reflexio.ApiKeyMissingError):
            await agent.whoami()
        await admin.create_certificate_identity(uri, tenant.name, "reader")
        who = await agent.whoami()
        assert (who.organization_id, who.role, who.certificate_uri) == (tenant.org_id, "reader", uri)
        assert (who.account_email, who.api_key_id) == (None, None)
        with pytest.raises(reflexio.PermissionDeniedError):
            await agent.publish_interaction("u", [{"content": "x"}])
        assert await agent.list_api_keys() == [], "it has no account"
        with pytest.raises(reflexio.NotFoundError):
            await agent.revoke_api_key()
        assert (await admin.whoami()).organization_id == 1, "a key counts before a certificate"
        await admin.delete_certificate_identity(uri)
        with pytest.raises(reflexio.ApiKeyMissingError):
            await agent.whoami()


async def test_a_bad_key_is_not_helped_by_a_certificate_and_other_names_stand_for_nobody(
    stand: tuple[RunningServer, Tenant, Tenant], mesh: Authority, tmp_path: Path
):
    server, operator, tenant = stand
    endpoint, uri = f"https://{server.target}", f"spiffe://example.com/{uuid4()}"
    tls = shown(tmp_path / "1", mesh, uri)
    # The same text as a name of another kind: only URIs are looked at.
    as_host = shown(tmp_path / "2", mesh, uri.removeprefix("spiffe://"))
    longer = shown(tmp_path / "3", mesh, f"{uri}/more")
    two = shown(tmp_path / "4", mesh, uri, f"spiffe://example.com/{uuid4()}")
    async with opened("sync", endpoint, tls=tls, api_key=operator.keys[3]) as admin:
        await admin.create_certificate_identity(uri, tenant.name, "admin")
        with pytest.raises(reflexio.InvalidArgumentError, match="uri: must be a URI with its scheme"):
            await admin.create_certificate_identity(uri.removeprefix("spiffe://"), tenant.name)
    async with opened("sync", endpoint, tls=tls, api_key="of-nobody") as agent:
        with pytest.raises(reflexio.ApiKeyInvalidError):
            await agent.whoami()
    for other in (as_host, longer, two):
        async with opened("sync", endpoint, tls=other) as agent:
            with pytest.raises(reflexio.ApiKeyMissingError):
                await agent.whoami()
    async with opened("sync", endpoint, tls=tls) as agent:
        assert (await agent.whoami()).role == "admin"
        with pytest.raises(reflexio.PermissionDeniedError) as refused:
            await agent.list_organizations()
        assert refused.value.metadata["needed"] == "operator"
        with pytest.raises(reflexio.NoAccountError):
            await agent.create_api_key("n")
        acts = {(event.actor, event.credential) for event in await agent.list_audit_events()}
        assert acts == set()
