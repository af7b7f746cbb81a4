"""The generated stubs of the contract in proto/reflexio/v1."""
