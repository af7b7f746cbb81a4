"""Finding nearest vectors: partitions, one per user, that are caches of what Postgres holds."""
