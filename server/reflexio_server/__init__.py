"""The Reflexio server: records what users and agents say and do, and gives it back by meaning."""

from importlib.metadata import version

__version__ = version("reflexio")
