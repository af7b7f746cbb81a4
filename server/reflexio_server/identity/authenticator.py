"""From a credential to the caller for whom it stands."""

import asyncio
from collections.abc import Sequence

import structlog

from reflexio_server.access.caller import Caller
from reflexio_server.access.keys import hash_of, is_key
from reflexio_server.domain.errors import ReflexioError
from reflexio_server.domain.identity_errors import ApiKeyInvalid, ApiKeyMissing
from reflexio_server.domain.ids import OrgId
from reflexio_server.store import api_keys, certificate_identities
from reflexio_server.store.database import Database

_log = structlog.get_logger("reflexio.identity")


class Authenticator:
    """Looks up each credential in Postgres, at each call: what was revoked a moment ago is known to no replica."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noting: set[asyncio.Task[None]] = set()

    async def caller_of(self, api_key: str | None, certificate_uris: Sequence[str]) -> Caller:
        """Who calls.

        Args:
            api_key: What was given as a key; None where nothing was. Where it is given it decides, whatever the
                certificate says.
            certificate_uris: The URIs in the certificate that the caller has proven to own.

        Raises:
            ApiKeyMissing: There is neither a key nor a certificate that stands for somebody.
            ApiKeyInvalid: The key is unknown or revoked, or its account is disabled.
            DatabaseUnavailable: Nobody knows.
        """
        if api_key is None:
            for uri in certificate_uris:
                if (caller := await certificate_identities.caller_of(self._database, uri)) is not None:
                    return caller
            raise ApiKeyMissing
        if not is_key(api_key):
            raise ApiKeyInvalid
        found = await api_keys.caller_of(self._database, hash_of(api_key))
        if found is None:
            raise ApiKeyInvalid
        caller, is_stale = found
        if is_stale:
            self._note_use(caller)
        return caller

    def _note_use(self, caller: Caller) -> None:
        task = asyncio.create_task(self._noted(caller.org_id, int(caller.credential_id)))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _noted(self, org_id: OrgId, api_key_id: int) -> None:
        try:
            await api_keys.note_use(self._database, org_id, api_key_id)
        except ReflexioError as error:
            _log.debug("the use of a key was not noted", reason=error.reason.name)
