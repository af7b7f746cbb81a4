"""`reflexio serve` with a deterministic embedding model and hasty age limits, for `python -m`: the command itself.

A campaign starts hundreds of servers.
"""

import os

# What the command sets would come too late: gRPC is loaded with the model.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

from reflexio_server.__main__ import main
from reflexio_server.processes import worker_process

from tests.end_to_end.stand.age_limits import apply_age_limits_often
from tests.end_to_end.stand.model import use_the_deterministic_model

if __name__ == "__main__":
    worker_process.WORKER = "tests.end_to_end.stand.worker"
    use_the_deterministic_model()
    apply_age_limits_often()
    main()
