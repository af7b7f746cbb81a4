"""The document that logs in runs unchanged on a server that asks for keys, where its reader has an account."""

import asyncio
from pathlib import Path

import pytest
import reflexio
from reflexio_server.access.passwords import Passwords

from tests.identity.tenants import Tenant, made
from tests.running import Postgres, running_server
from tests.seeds.answers import check
from tests.seeds.execution import executed
from tests.seeds.extraction import FOLDER, Document, documents

if not FOLDER.is_dir():
    pytest.skip(f"the seed documents are not here: {FOLDER}", allow_module_level=True)

LOGGING_IN = [document for document in documents() if any("client.login(" in block.source for block in document.blocks)]


def reader_of(url: str) -> Tenant:
    """The account whose address and password the document has, with keys that it does not use."""
    passwords = Passwords()
    password_hash = asyncio.run(passwords.hash_of("your_password"))
    passwords.close()
    return made(url, org_id=1, email="your_email@example.com", password_hash=password_hash)


def test_there_is_such_a_document():
    assert LOGGING_IN


@pytest.mark.parametrize("document", LOGGING_IN, ids=lambda document: document.name)
def test_it_runs_with_the_key_that_the_login_gives(document: Document, postgres: Postgres, tmp_path: Path):
    url = postgres.new_database()
    with running_server(url, auth="api-key") as server:
        reader = reader_of(url)
        with executed(document, server.url, tmp_path, reader.keys[3]) as run:
            for call in run.calls:
                check(call)
            token = run.namespace["token"]
            assert token.key.account_email == reader.email
            assert token.api_key not in reader.keys.values()
            with reflexio.ReflexioClient(api_key=token.api_key, url_endpoint=server.url) as saved:
                assert saved.whoami().api_key_id == token.key.api_key_id
            keys = {key.api_key_id: key.last_used_at for key in run.observer.client.list_api_keys()}
            assert keys[token.key.api_key_id] is not None, "what follows the login is done with its key"
