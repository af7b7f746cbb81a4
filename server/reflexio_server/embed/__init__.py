"""Making vectors of texts: the model, the thread that it runs in, and the backlog that Postgres remembers."""
