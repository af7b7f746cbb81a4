"""The tables. Each leads with `org_id`, so that a distributed Postgres can keep an organisation together.

Two exceptions: `embedding_models`, a few rows that concern all organisations, a copy for each machine; and
`login_limits`, because who logs in has no organisation yet. For the same reason accounts, keys and certificates are
also found by what a caller brings, whatever the organisation: there a distributed Postgres needs copies as well.

There are no foreign keys between the large tables: whatever writes more than one of them does so in one statement
or under the lock of the user's row, and a check for every row of a bulk delete would cost more than the delete.
Moments are nanoseconds since the epoch, because `timestamptz` would cut them to microseconds.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})

INTERACTION_ID_BLOCK = 1000
"""How many interaction ids a server takes at a time; also the most that one publish can need."""

interaction_id_blocks = Sequence("interaction_id_blocks", metadata=metadata)
"""Each value stands for a block of ids that belongs to whoever drew it."""

user_versions_sequence = Sequence("user_versions_sequence", metadata=metadata)
"""Versions are drawn from one sequence, so that a user who was erased and came back never repeats one."""


def _org_id() -> Column[int]:
    return Column("org_id", BigInteger, primary_key=True, autoincrement=False)


organizations = Table(
    "organizations",
    metadata,
    Column("org_id", BigInteger, Identity(), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

requests = Table(
    "requests",
    metadata,
    _org_id(),
    Column("request_id", Uuid, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("agent_version", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("skip_aggregation", Boolean, nullable=False),
    Column("force_extraction", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # How large its interactions were when they were published: lets a page of requests be bounded unread.
    Column("text_bytes", BigInteger, nullable=False),
    Column("image_bytes", BigInteger, nullable=False),
)
Index(None, requests.c.org_id, requests.c.created_at, requests.c.request_id)
Index(None, requests.c.org_id, requests.c.user_id, requests.c.created_at, requests.c.request_id)
Index(None, requests.c.org_id, requests.c.session_id, postgresql_where=requests.c.session_id != "")

# Apart from the requests, so that a late repetition cannot bring back a request that was deleted.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _org_id(),
    Column("idempotency_key", Text, primary_key=True),
    Column("request_id", Uuid, nullable=False),
    # Empty where the user was erased, and the fingerprint with it: nothing of what was said stays behind.
    Column("user_id", Text, nullable=False, server_default=text("''")),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("first_interaction_id", BigInteger, nullable=False),
    Column("interactions_count", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index(None, idempotency_keys.c.created_at)
Index(None, idempotency_keys.c.org_id, idempotency_keys.c.user_id)

interactions = Table(
    "interactions",
    metadata,
    _org_id(),
    Column("interaction_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Text, nullable=False),
    Column("request_id", Uuid, nullable=False),
    # Copied from the request: filters need them where joins would cost.
    Column("session_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("shadow_content", Text, nullable=False),
    Column("expert_content", Text, nullable=False),
    Column("user_action", SmallInteger, nullable=False),
    Column("user_action_description", Text, nullable=False),
    Column("interacted_image_url", Text, nullable=False),
    Column("tools_used", JSONB),
    Column("has_image", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Null where there is nothing to be found by.
    Column("lexemes", TSVECTOR),
)
Index(None, interactions.c.org_id, interactions.c.created_at, interactions.c.interaction_id)
Index(None, interactions.c.org_id, interactions.c.user_id, interactions.c.created_at, interactions.c.interaction_id)
Index(None, interactions.c.org_id, interactions.c.request_id)

images = Table(
    "images",
    metadata,
    _org_id(),
    Column("interaction_id", BigInteger, primary_key=True, autoincrement=False),
    Column("media_type", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# What is to be embedded. Apart from the interactions and narrow, because its rows come and go:
# marking the wide rows themselves would rewrite them and all their index entries.
embedding_queue = Table(
    "embedding_queue",
    metadata,
    _org_id(),
    Column("interaction_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Text, nullable=False),
    # Until then some server works on it.
    Column("leased_until", DateTime(timezone=True), nullable=False),
    # By when it is seen for how long it has waited.
    Column("queued_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # How often the model failed on it, and why it is not tried any more.
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("set_aside_reason", Text),
    # Where it is the model being built that failed: the active one has vectors of it; the row waits for the switch.
    Column("failed_model", Text),
)
# By user, so that users can take turns however much one of them has waiting.
Index(None, embedding_queue.c.org_id, embedding_queue.c.user_id, embedding_queue.c.leased_until)
Index(None, embedding_queue.c.leased_until, postgresql_where=embedding_queue.c.set_aside_reason.is_(None))

user_versions = Table(
    "user_versions",
    metadata,
    _org_id(),
    Column("user_id", Text, primary_key=True),
    # The version of the user's set of vectors; partitions older than `reload_before` cannot be patched.
    Column("version", BigInteger, nullable=False),
    Column("reload_before", BigInteger, nullable=False),
)

vectors = Table(
    "vectors",
    metadata,
    _org_id(),
    Column("interaction_id", BigInteger, primary_key=True, autoincrement=False),
    Column("model", Text, primary_key=True),
    # 0 for the first piece of the text.
    Column("chunk", SmallInteger, primary_key=True, autoincrement=False),
    Column("user_id", Text, nullable=False),
    # The user's version when it was stored.
    Column("version", BigInteger, nullable=False),
    Column("dimension", SmallInteger, nullable=False),
    # Of unit length, as little-endian half-precision floats.
    Column("vector", LargeBinary, nullable=False),
    # Of the whole text, beside its first piece: 4 bytes of a hash for each occurrence of a word.
    Column("words", LargeBinary),
)
Index(None, vectors.c.org_id, vectors.c.user_id, vectors.c.model, vectors.c.version)

# Which interactions a version took away, so that a partition can drop them in place.
vector_deletions = Table(
    "vector_deletions",
    metadata,
    _org_id(),
    Column("user_id", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("interaction_ids", ARRAY(BigInteger), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Organisations without a row keep everything for ever.
retention_policies = Table(
    "retention_policies",
    metadata,
    _org_id(),
    Column("max_age_seconds", BigInteger, nullable=False),
    # Whichever server comes first after this moment applies it, and moves the moment.
    Column("next_run", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Whose vectors there are. At most one model is active, at most one is being built; those of a retired one are removed.
embedding_models = Table(
    "embedding_models",
    metadata,
    Column("model", Text, primary_key=True),
    Column("dimension", SmallInteger, nullable=False),
    # active, building or retired
    Column("state", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    # How many interactions the building has been over, of how many, and on how many the model failed.
    Column("done_count", BigInteger, nullable=False, server_default=text("0")),
    Column("total_count", BigInteger, nullable=False, server_default=text("0")),
    Column("failed_count", BigInteger, nullable=False, server_default=text("0")),
    # How far the first walk over all interactions came, and whether it is over.
    Column("walked_org_id", BigInteger, nullable=False, server_default=text("0")),
    Column("walked_interaction_id", BigInteger, nullable=False, server_default=text("0")),
    Column("is_walked", Boolean, nullable=False, server_default=text("false")),
    # Once it is: the version up to which no interaction lacks vectors.
    Column("complete_up_to", BigInteger, nullable=False, server_default=text("0")),
    # Who works on it: until when, and a number that only the last to take it has.
    Column("lease_token", BigInteger, nullable=False, server_default=text("0")),
    Column("leased_until", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index(None, embedding_models.c.state, unique=True, postgresql_where=embedding_models.c.state != "retired")

accounts = Table(
    "accounts",
    metadata,
    _org_id(),
    Column("account_id", BigInteger, Identity(), primary_key=True),
    # In lower case. The same person may have an account in several organisations.
    Column("email", Text, nullable=False),
    # 1 reader, 2 member, 3 admin; so in the tables below.
    Column("role", SmallInteger, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("disabled_at", DateTime(timezone=True)),
)
Index(None, accounts.c.org_id, accounts.c.email, unique=True)
Index(None, accounts.c.email)

api_keys = Table(
    "api_keys",
    metadata,
    _org_id(),
    Column("api_key_id", BigInteger, Identity(), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    # SHA-256 of the key.
    Column("key_hash", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    # The first characters, by which people know a key again.
    Column("hint", Text, nullable=False),
    # A key may have less than its account, never more.
    Column("role", SmallInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # To the hour.
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
)
Index(None, api_keys.c.key_hash, unique=True)
Index(None, api_keys.c.org_id, api_keys.c.account_id)

# What a URI in a client's certificate stands for, where clients show one.
certificate_identities = Table(
    "certificate_identities",
    metadata,
    _org_id(),
    Column("certificate_identity_id", BigInteger, Identity(), primary_key=True),
    Column("uri", Text, nullable=False),
    Column("role", SmallInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index(None, certificate_identities.c.uri, unique=True)

# How many logins were tried lately, by digests of whom they concern; a bucket that is full again has no row.
login_limits = Table(
    "login_limits",
    metadata,
    Column("bucket", LargeBinary, primary_key=True),
    Column("used_until", DateTime(timezone=True), nullable=False),
)
Index(None, login_limits.c.used_until)

# What administrators did. A trigger refuses to change or delete rows.
audit_events = Table(
    "audit_events",
    metadata,
    _org_id(),
    Column("event_id", BigInteger, Identity(), primary_key=True),
    Column("occurred_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    *(Column(name, Text, nullable=False) for name in ("actor", "credential", "action", "target", "outcome", "address")),
    Column("request_id", Text, nullable=False),
)
