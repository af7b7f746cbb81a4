"""Who calls is settled here, and whether they may, before anything looks at the request."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from reflexio_server.access.caller import LOCAL_CALLER, NOBODY, Caller, current_caller
from reflexio_server.access.policy import REQUIREMENTS, Requirement, call_requirements, require
from reflexio_server.domain.errors import ReflexioError
from reflexio_server.domain.identity_errors import ApiKeyInvalid, ApiKeyMissing, PermissionDenied
from reflexio_server.identity.authenticator import Authenticator
from reflexio_server.rpc.authors import client_of
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Proceed

_log = structlog.get_logger("reflexio.rpc")

RECHECK_SECONDS = 5.0
"""How long a stream may outlive the credential with which it began."""


class Access(CallInterceptor):
    """Makes the caller known to the servicers, and refuses who may not call what they call."""

    def __init__(self, authenticator: Authenticator | None) -> None:
        """`authenticator` is None where authentication is off, and everybody the local caller."""
        super().__init__()
        self._authenticator = authenticator

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Set the caller for the rest of the call."""
        call_requirements.set(set())
        if self._authenticator is None:
            current_caller.set(LOCAL_CALLER)
            return await proceed(request, context)
        # What is in no table is for those who may do everything; a test finds it.
        requirement = REQUIREMENTS.get(method, Requirement.OPERATOR)
        if requirement is Requirement.NOTHING:
            # By address, so that one stranger's calls are not counted together with everybody's.
            current_caller.set(replace(NOBODY, credential_id=client_of(context)))
            return await proceed(request, context)
        call_requirements.get().add(requirement)
        current_caller.set(await self._entitled(self._authenticator, context))
        if method in self.streams:
            return await self._while_entitled(self._authenticator, proceed, request, context)
        return await proceed(request, context)

    async def _entitled(self, authenticator: Authenticator, context: Context) -> Caller:
        """Who calls, if they may do what the call has needed so far."""
        caller = await authenticator.caller_of(_api_key(context), _certificate_uris(context))
        for requirement in call_requirements.get():
            require(caller, requirement)
        return caller

    async def _while_entitled(
        self, authenticator: Authenticator, proceed: Proceed, request: Any, context: Context
    ) -> Any:
        """Go on with a stream until it ends, or its credential does, or what it gives a right to becomes less."""
        began = current_caller.get()

        def require_same(caller: Caller) -> None:
            if caller.org_id != began.org_id:
                raise ApiKeyInvalid  # What stands for another organisation now is no more what it was.

        refused: list[ReflexioError] = []

        async def watch(leash: asyncio.Timeout) -> None:
            while not refused:
                await asyncio.sleep(RECHECK_SECONDS)
                try:
                    require_same(await self._entitled(authenticator, context))
                except (ApiKeyInvalid, ApiKeyMissing, PermissionDenied) as error:
                    refused.append(error)
                except ReflexioError as error:
                    _log.debug("a stream's credential was not looked up again", reason=error.reason.name)
            leash.reschedule(asyncio.get_running_loop().time())

        watching: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(None) as leash:
                watching = asyncio.create_task(watch(leash))
                return await proceed(request, context)
        except TimeoutError:
            if refused:
                raise refused[0] from None
            raise
        finally:
            if watching is not None:
                watching.cancel()


def _api_key(context: Context) -> str | None:
    """What the call's metadata gives as a key; None where it gives nothing."""
    given = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if not given:
        return None
    scheme, _, key = str(given[0]).partition(" ")
    # Two of them, or another scheme, are no key: nobody can tell what is meant.
    return key.strip() if len(given) == 1 and scheme.lower() == "bearer" else ""


def _certificate_uris(context: Context) -> Sequence[str]:
    """The URI in the certificate of the caller, whom the transport has checked. Of several, none: SPIFFE allows one."""
    uris = [uri.decode(errors="replace") for uri in context.auth_context().get("peer_uri", ())]
    return uris if len(uris) == 1 else []
