"""The read path: by meaning, by words, and in order of time."""
