"""Which embedding model is active, and which is being built.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = """
create table embedding_models (
    model text not null,
    dimension smallint not null,
    state text not null,
    started_at bigint not null,
    done_count bigint not null default 0,
    total_count bigint not null default 0,
    failed_count bigint not null default 0,
    walked_org_id bigint not null default 0,
    walked_interaction_id bigint not null default 0,
    is_walked boolean not null default false,
    complete_up_to bigint not null default 0,
    lease_token bigint not null default 0,
    leased_until timestamptz not null default now(),
    constraint pk_embedding_models primary key (model)
) with (fillfactor = 50);

create unique index ix_embedding_models_state on embedding_models (state) where state <> 'retired';

alter table embedding_queue add column failed_model text;

-- Most interactions decide; of equals the newest.
insert into embedding_models (model, dimension, state, started_at)
    select model, dimension, case when place = 1 then 'active' else 'retired' end,
           (extract(epoch from now()) * 1000000000)::bigint
    from (
        select model, max(dimension) as dimension,
               row_number() over (order by count(*) desc, max(version) desc) as place
        from vectors where chunk = 0 group by model
    ) as known;

-- What only another model has embedded, because the setting was changed for a while, is embedded again.
insert into embedding_queue (org_id, interaction_id, user_id, leased_until)
    select distinct v.org_id, v.interaction_id, v.user_id, now()
    from vectors v join embedding_models m on m.model = v.model and m.state = 'retired'
    where v.chunk = 0 and not exists (
        select from vectors a join embedding_models n on n.model = a.model and n.state = 'active'
        where a.org_id = v.org_id and a.interaction_id = v.interaction_id)
    on conflict do nothing;
"""


def upgrade() -> None:
    """Make the table, and enter what the vectors that are there were made with."""
    for statement in _STATEMENTS.split(";\n\n"):
        op.execute(statement.rstrip(";\n"))
