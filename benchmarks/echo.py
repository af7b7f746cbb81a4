"""The first floor: a bare grpc.aio server of the same messages, which does nothing but answer.

    python -m benchmarks.echo FOLDER

FOLDER holds a real answer of the service for each kind of call; the server reads them at its start.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1 import interaction_service_pb2_grpc as rpc

ACKNOWLEDGED = "acknowledged.binpb"
WAITED_FOR = "waited_for.binpb"
FOUND = "found.binpb"


class Echo(rpc.InteractionServiceServicer):
    """Answers every call of a kind alike."""

    def __init__(self, answers: Path) -> None:
        self._acknowledged = pb.PublishInteractionsResponse.FromString((answers / ACKNOWLEDGED).read_bytes())
        self._waited_for = pb.PublishInteractionsResponse.FromString((answers / WAITED_FOR).read_bytes())
        self._found = pb.SearchInteractionsResponse.FromString((answers / FOUND).read_bytes())

    async def PublishInteractions(  # noqa: N802 -- the proto names it.
        self, request: pb.PublishInteractionsRequest, context: Any
    ) -> pb.PublishInteractionsResponse:
        """Answer as the service did."""
        return self._waited_for if request.wait_for_response else self._acknowledged

    async def SearchInteractions(  # noqa: N802 -- the proto names it.
        self, request: pb.SearchInteractionsRequest, context: Any
    ) -> pb.SearchInteractionsResponse:
        """Answer as the service did."""
        return self._found


async def serve(answers: Path) -> None:
    """Answer calls until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = grpc.aio.server()
    rpc.add_InteractionServiceServicer_to_server(Echo(answers), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await ended.wait()
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
