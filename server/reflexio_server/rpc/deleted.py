"""What to tell people of a deletion."""

from reflexio_server.domain.request import DeletedCounts


def deletion_message(counts: DeletedCounts, what: str) -> str:
    """A sentence about a deletion, with the counts; `what` names what was to be deleted."""
    if counts == DeletedCounts():
        return f"there is no {what}; nothing was deleted"
    parts = [_counted(counts.requests, "request"), _counted(counts.interactions, "interaction")]
    return "deleted " + " and ".join(part for part in parts if part)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}" if count else ""
