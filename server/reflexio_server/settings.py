"""What an operator can choose: read once, from the environment (`REFLEXIO_*`) and the flags of `reflexio serve`."""

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings of a server. Each field's description is its documentation; docs/settings.md holds the table."""

    model_config = SettingsConfigDict(env_prefix="REFLEXIO_", frozen=True, extra="forbid", env_ignore_empty=True)

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8081, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    auth: Literal["none", "api-key"] = Field(
        "none",
        description="Who may call: with `none` whoever reaches the server may do everything, "
        "with `api-key` every call needs a key.",
    )
    tls_cert: Path | None = Field(
        None, description="Certificate to speak TLS with, as PEM, followed by those between it and its authority."
    )
    tls_key: Path | None = Field(None, description="The private key of that certificate, as PEM, without a password.")
    tls_client_ca: Path | None = Field(
        None,
        description="Certificates of the authorities whose clients are let in, as PEM; "
        "every client then needs a certificate of theirs (mutual TLS).",
    )
    insecure: bool = Field(
        False,
        description="Whether to listen beyond this machine also without TLS or without keys, for Prometheus too, "
        "because something in front sees to both.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Server processes that share the port, each with a model, an index and connections of its own.",
    )
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("reflexio"),
        description="Folder of the embedded Postgres; not used with a database URL.",
    )
    database_url: SecretStr | None = Field(
        None, description="A Postgres to use, version 14 or newer: `postgresql://user:password@host/database`."
    )
    database_pool_size: int = Field(10, ge=2, le=1000, description="How many connections to Postgres to hold.")
    database_statement_cache_size: int = Field(
        100, ge=0, description="Prepared statements kept per connection; 0 behind a pgbouncer older than 1.21."
    )
    database_transaction_pooling: bool | None = Field(
        None,
        description="Whether something in between, such as pgbouncer, lends connections for a transaction at a time; "
        "not set, it is found out.",
    )
    embedding_model: str = Field(
        "all-MiniLM-L6-v2",
        description="The model that an empty database begins with and that `reflexio reindex` changes to: the packaged "
        "one, a folder, or a name that sentence-transformers can load.",
    )
    text_search_config: str = Field(
        "english",
        pattern=r"^[a-z_]+$",
        description="Postgres text search configuration of interactions and queries: `english`, `german`, `simple`…",
    )
    index_memory_mb: int = Field(
        512,
        ge=1,
        description="Memory for vectors, in MiB; least recently used go first. "
        "A user with more is loaded for each search anew.",
    )
    search_wait_seconds: float = Field(
        5.0, ge=0, description="How long a search waits at most until interactions published just before are embedded."
    )
    max_message_mb: int = Field(32, ge=1, le=1024, description="Size of the largest request that is accepted, in MiB.")
    max_concurrent_calls: int = Field(
        256, ge=1, description="How many calls are worked on at once; further ones are refused with a time to retry."
    )
    max_concurrent_streams: int = Field(16, ge=1, description="The same for streams: bulk loads, exports and imports.")
    max_concurrent_calls_per_key: int = Field(
        128, ge=1, description="How many of these calls may be made with one key. Needs `--auth api-key`."
    )
    max_concurrent_streams_per_key: int = Field(8, ge=1, description="The same for streams.")
    max_concurrent_calls_per_organization: int = Field(
        192,
        ge=1,
        description="How many of these calls may be made with all keys of one organisation together; calls without a "
        "key count as those of one more. Needs `--auth api-key`.",
    )
    max_concurrent_streams_per_organization: int = Field(12, ge=1, description="The same for streams.")
    max_concurrent_exports: int = Field(
        4,
        ge=1,
        description="How many of these streams may be exports, each with a connection to Postgres of its own; with "
        "`--auth api-key` one organisation may have half of them. Further ones are refused with a time to retry.",
    )
    stream_idle_seconds: float = Field(
        300.0,
        ge=0,
        description="How long a stream may wait for its caller, who sends nothing or does not read; 0 for ever.",
    )
    max_calls_per_second: float = Field(
        500.0,
        ge=0,
        description="How many calls a second a key may make at each server process, each message of a stream among "
        "them; 0 any number. Needs `--auth api-key`.",
    )
    max_interactions_per_second: float = Field(
        5000.0, ge=0, description="The same for the interactions that are published with a key; streams are slowed."
    )
    max_interactions_per_request: int = Field(
        1000, ge=1, le=1000, description="How many interactions one publish may have."
    )
    max_query_bytes: int = Field(16_384, ge=1, le=16_384, description="Length of the longest query, in bytes of UTF-8.")
    max_tool_data_bytes: int = Field(
        262_144, ge=2, le=262_144, description="Size of all `tool_data` of one interaction, in bytes as JSON."
    )
    max_tool_data_depth: int = Field(32, ge=1, le=32, description="How deep `tool_data` may be nested.")
    max_user_backlog: int = Field(
        50_000,
        ge=1,
        description="How many interactions of one user may wait for being embedded; beyond, publishes are refused.",
    )
    max_organization_backlog: int = Field(
        500_000, ge=1, description="The same for all users of an organisation together."
    )
    max_image_mb: int = Field(10, ge=1, description="Size of the largest image file that is accepted, in MiB.")
    max_image_megapixels: int = Field(
        50, ge=1, description="Size of the largest image when unpacked, in million pixels."
    )
    max_metadata_kb: int = Field(
        16, ge=1, le=1024, description="Size of all metadata of a call, names and values, in KiB."
    )
    max_connections: int = Field(
        10_000, ge=1, description="How many connections a server process keeps; further ones are closed at once."
    )
    max_calls_per_connection: int = Field(
        128,
        ge=1,
        description="How many calls one connection may have open at once; its client holds back further ones.",
    )
    handshake_seconds: float = Field(
        20.0, gt=0, description="How long a connection may take until it speaks TLS and HTTP/2."
    )
    keepalive_seconds: float = Field(
        60.0, ge=1, description="After how long a silent connection is asked whether its client is still there."
    )
    connection_idle_seconds: float = Field(
        600.0, ge=0, description="How long a connection without any call is kept; 0 for ever."
    )
    connection_age_seconds: float = Field(
        1800.0,
        ge=0,
        description="After how long a client is asked to connect anew, so that balancers spread it again and "
        "certificates are shown again; 0 never.",
    )
    connection_grace_seconds: float = Field(
        3600.0, ge=0, description="How long calls that are open then may go on, streams among them."
    )
    lame_duck_seconds: float = Field(
        0.5,
        ge=0,
        description="How long a server that stops refuses calls before its port closes, so that balancers notice; "
        "no time at all when nobody called lately.",
    )
    drain_seconds: float = Field(
        10.0, ge=0, description="How long calls in flight may take to end when the server stops."
    )
    reflection: bool = Field(True, description="Whether to answer gRPC reflection, so that tools find the contract.")
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Port for Prometheus to ask for metrics; 0 picks a free one. Not set: none."
    )
    metrics_host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on for Prometheus. There is no authentication."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or for machines.")

    @property
    def database_connections(self) -> int:
        """How many connections to Postgres there may be at once: pools, exports, what watches, and some for people."""
        return self.workers * (self.database_pool_size + self.max_concurrent_exports + 1) + 11
