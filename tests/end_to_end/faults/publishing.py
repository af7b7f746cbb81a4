"""A process that publishes, imports and deletes from several threads, through the public client, and keeps ledgers.

It gets its orders as one JSON object on standard input, and ends when standard input does.
"""

import json
import sys
import threading

from tests.end_to_end.faults.handing_over import HandingOver
from tests.end_to_end.faults.importing import Importing
from tests.end_to_end.faults.publisher import Publisher
from tests.end_to_end.stand.client import connected


def main() -> None:
    """Run the threads until standard input ends."""
    orders = json.loads(sys.stdin.readline())
    stop = threading.Event()
    clients = [
        connected(endpoint, orders["api_key"], timeout=orders["timeout_seconds"]) for endpoint in orders["endpoints"]
    ]
    running = [
        *(Publisher(orders, number, clients, stop) for number in range(orders["threads"])),
        *(Importing(orders, number, clients, stop) for number in range(orders["import_threads"])),
        *(HandingOver(orders, number, stop) for number in range(orders["background_threads"])),
    ]
    threads = [threading.Thread(target=one.run) for one in running]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()


if __name__ == "__main__":
    main()
