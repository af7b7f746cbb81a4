"""The wire: the only folder, beside `app`, that knows gRPC."""

import os

# gRPC would prepare each subprocess for a life with gRPC, and say that it cannot. Ours are pg_ctl only. It looks at
# this when the first server or channel is made.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
