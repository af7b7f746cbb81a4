"""Carries calls to the server and answers back: what both clients share, and the two ways to wait for it."""
