"""The wire: the only folder, beside `app`, that knows gRPC."""
