"""The write path: store, acknowledge, embed."""
