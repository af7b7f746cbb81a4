"""What of a user has to be known to search: how fresh an index must be, by which model, and whether something waits."""

from typing import NamedTuple

USER_STATE_COLUMNS = """
    (select version from user_versions where org_id = :org_id and user_id = :user_id) as version,
    (select model from embedding_models where state = 'active') as active_model,
    (select dimension from embedding_models where state = 'active') as active_dimension,
    exists (
        select from embedding_queue
        where org_id = :org_id and user_id = :user_id and failed_model is null) as is_waiting
"""
"""For a statement with the parameters `org_id` and `user_id`: the columns that make a `UserState`."""


class UserState(NamedTuple):
    """A user at one moment. While it stays the same, so does what a search has to look through."""

    version: int | None
    """The version of the user's set of vectors; None where there never was one."""
    active_model: str | None
    """The model that made them; None where no server has ever started."""
    active_dimension: int | None
    """The dimension of its vectors."""
    is_waiting: bool
    """Whether something is not embedded."""
