"""A port that is kept for our workers, and for nobody else."""

import select
import socket
from contextlib import closing

import pytest
from reflexio_server.processes.shared_port import reserved
from reflexio_server.rpc.listening import CannotListen

LOOPBACK = "127.0.0.1"


def listening(port: int, *, sharing: bool) -> socket.socket:
    """A server's socket, as gRPC makes it."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(sharing))
    try:
        made.bind((LOOPBACK, port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def test_workers_share_it_and_one_of_them_gets_each_connection():
    with reserved(LOOPBACK, 0) as port:
        workers = [listening(port, sharing=True) for _ in range(2)]
        callers = [socket.create_connection((LOOPBACK, port)) for _ in range(40)]
        accepted = []
        while len(accepted) < len(callers):
            ready, _, _ = select.select(workers, [], [], 10)
            assert ready, "some went to the one that only keeps the port"
            accepted += [worker.accept()[0] for worker in ready]
        for used in (*workers, *callers, *accepted):
            used.close()


def test_it_is_free_again_afterwards():
    with reserved(LOOPBACK, 0) as port, reserved(LOOPBACK, port) as again:
        assert again == port
    with closing(listening(port, sharing=False)):
        pass


@pytest.mark.parametrize("sharing", [False, True])
def test_a_port_on_which_others_listen_is_refused(sharing: bool):
    with (
        closing(listening(0, sharing=sharing)) as other,
        pytest.raises(CannotListen, match=LOOPBACK),
        reserved(LOOPBACK, other.getsockname()[1]),
    ):
        pass


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7"])
def test_an_address_that_is_not_this_machines_is_refused(host: str):
    with pytest.raises(CannotListen, match=host), reserved(host, 0):
        pass


def test_a_name_is_kept_on_all_its_addresses():
    with reserved("localhost", 0) as port:
        assert port
        with closing(listening(port, sharing=True)):
            pass
