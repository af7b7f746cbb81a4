"""The contract's rules are enforced here, on the bytes as they came, before a servicer sees anything of them."""

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from reflexio_server.domain.errors import ReflexioError
from reflexio_server.rpc.interceptors.base import (
    CallInterceptor,
    Context,
    Handler,
    Proceed,
    behavior_of,
    handler_like,
)
from reflexio_server.validate.contract import Contract


class Validation(CallInterceptor):
    """Refuses what breaks the contract.

    It takes the bytes and not the message: bytes that are no message would otherwise be answered by grpc itself,
    as an internal error and without a reason. A stream goes on after a message that is refused: its servicer gets the
    error in the message's place.
    """

    def __init__(self, contract: Contract) -> None:
        super().__init__()
        self._contract = contract

    def wrap(self, method: str, handler: Handler) -> Handler:
        """As the others, but with bytes for requests."""
        read = cast(Callable[[bytes], Any], handler.request_deserializer)
        answer = behavior_of(handler)

        async def one(request: bytes, context: Context) -> Any:
            return await self.call(method, lambda checked, context: answer(read(checked), context), request, context)

        async def several(requests: AsyncIterator[bytes], context: Context) -> Any:
            return await answer(self._checked(method, read, requests), context)

        return handler_like(handler, several if handler.request_streaming else one, None)

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Check the bytes, and go on with the message in them."""
        self._contract.check(method, request)
        return await proceed(request, context)

    async def _checked(
        self, method: str, read: Callable[[bytes], Any], requests: AsyncIterator[bytes]
    ) -> AsyncIterator[Any]:
        """The messages of a stream; in the place of each that breaks the contract, the error that says so."""
        async for request in requests:
            try:
                self._contract.check(method, request)
            except ReflexioError as error:
                yield error
            else:
                yield read(request)
