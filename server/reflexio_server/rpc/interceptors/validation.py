"""The contract's rules are enforced here, on the bytes as they came, before a servicer sees anything of them."""

from collections.abc import Callable
from typing import Any, cast

import grpc

from reflexio_server.rpc.interceptors.base import Context, Handler, Proceed, UnaryInterceptor
from reflexio_server.validate.contract import Contract


class Validation(UnaryInterceptor):
    """Refuses what breaks the contract.

    It takes the bytes and not the message: bytes that are no message would otherwise be answered by grpc itself,
    as an internal error and without a reason.
    """

    def __init__(self, contract: Contract) -> None:
        super().__init__()
        self._contract = contract

    def wrap(self, method: str, handler: Handler) -> Handler:
        """As the others, but with bytes for requests."""
        read = cast(Callable[[bytes], Any], handler.request_deserializer)
        answer = cast(Proceed, handler.unary_unary)

        async def behavior(request: bytes, context: Context) -> Any:
            return await self.call(method, lambda checked, context: answer(read(checked), context), request, context)

        return grpc.unary_unary_rpc_method_handler(behavior, None, handler.response_serializer)

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Check the bytes, and go on with the message in them."""
        self._contract.check(method, request)
        return await proceed(request, context)
