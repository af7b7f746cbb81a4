"""Postgres: the truth about everything that was published."""
