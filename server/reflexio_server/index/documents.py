"""What is known of one user's interactions beside their vectors: what filters and roles need, and who follows whom."""

import copy
from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.index.timeline import BYTES_EACH, Timeline
from reflexio_server.store.interaction_rows import InteractionRows

Slots = NDArray[np.int32]
"""Places of interactions in their partition: what joins their vectors, their words and what is known of them."""

_ROW = np.dtype(
    [
        ("interaction_id", np.int64),
        ("created_at", np.int64),
        ("request_id", "V16"),
        # Of these a hash: Python's own has 64 bits and a secret key for each process, so that two that occur
        # together are told apart as surely as memory keeps its bits, and every row has the same size.
        ("session", np.int64),
        ("source", np.int64),
        ("conversation", np.int64),
        ("role", np.int32),
        ("words", np.int32),
        ("asks", np.bool_),
        ("is_there", np.bool_),
    ]
)

_ID_BYTES = 8

_ROLE_BYTES = 300
"""What the name of a role takes beside its letters."""

_FEW_GONE = 256
"""So many slots of what is gone are kept in any case before the others are moved together."""


class Documents:
    """The interactions of one user, each in a slot. Slots stay what they are until `compact`."""

    def __init__(self) -> None:
        self._buffer = np.empty(0, _ROW)
        self._size = 0
        self._gone = 0
        self._highest_id = np.iinfo(np.int64).min
        self._role_codes: dict[str, int] = {}
        self._role_counts: Counter[int] = Counter()
        self._role_bytes = 0
        self._timeline: Timeline | None = None

    def __len__(self) -> int:
        """How many interactions there are."""
        return self._size - self._gone

    @property
    def slots_count(self) -> int:
        """How many slots there are, those of what is gone included."""
        return self._size

    @property
    def nbytes(self) -> int:
        """How much memory they take, with the timeline, which is there from the first search on."""
        return self._buffer.nbytes + self._size * BYTES_EACH + self._role_bytes

    @property
    def rows(self) -> NDArray[np.void]:
        """One for each slot. Not to be changed."""
        return self._buffer[: self._size]

    @property
    def roles(self) -> Collection[str]:
        """The roles that occur."""
        return [role for role, code in self._role_codes.items() if self._role_counts[code]]

    @property
    def timeline(self) -> Timeline:
        """Who comes before and after whom."""
        if self._timeline is None:
            self._timeline = Timeline(self.rows, np.flatnonzero(self.rows["is_there"]).astype(np.int32))
        return self._timeline

    @property
    def places(self) -> NDArray[np.int32]:
        """The place of each slot in the timeline; anything for what is gone."""
        return self.timeline.places(self._size)

    def add(self, added: InteractionRows) -> Slots:
        """Add interactions that are not there.

        Args:
            added: One row for each.

        Returns:
            Their slots, in the same order.
        """
        size, needed = self._size, self._size + len(added.interaction_ids)
        if needed > len(self._buffer):
            buffer = np.empty(max(needed, size + size // 8), _ROW)
            buffer[:size] = self.rows
            self._buffer = buffer
        rows = self._buffer[size:needed]
        rows["interaction_id"] = added.interaction_ids
        rows["created_at"] = added.created_ats
        rows["request_id"] = np.frombuffer(added.request_ids, "V16")
        rows["session"] = list(map(hash, added.session_ids))
        rows["source"] = list(map(hash, added.sources))
        rows["conversation"] = rows["session"]
        # Without a session, what was published together is a conversation of its own.
        alone = [place for place, session_id in enumerate(added.session_ids) if not session_id]
        rows["conversation"][alone] = list(map(hash, rows["request_id"][alone].tolist()))
        codes = {role: self._role_code(role) for role in set(added.roles)}
        rows["role"] = [codes[role] for role in added.roles]
        self._role_counts.update(rows["role"].tolist())
        rows["words"] = added.word_counts
        rows["asks"] = added.asks
        rows["is_there"] = True
        self._size = needed
        if len(rows):
            self._highest_id = max(self._highest_id, int(rows["interaction_id"].max()))
        slots = np.arange(size, needed, dtype=np.int32)
        if self._timeline is not None and not self._timeline.insert(self.rows, slots):
            self._timeline = None
        return slots

    def adding_bytes(self, added: InteractionRows) -> int:
        """How many bytes have to be looked through or moved for an addition."""
        size, count = self._size, len(added.interaction_ids)
        moved = self.rows.nbytes if size + count > len(self._buffer) else 0
        looked_through = size * _ID_BYTES if count and min(added.interaction_ids) <= self._highest_id else 0
        inserted = self._timeline.inserting_bytes(count) if self._timeline is not None else 0
        return moved + looked_through + inserted + count * _ROW.itemsize

    def copy(self) -> "Documents":
        """Another one that can be added to."""
        other = copy.copy(self)
        # Without room behind: what is added goes into memory of its own.
        other._buffer = self.rows  # noqa: SLF001 -- its own kind.
        other._role_codes, other._role_counts = dict(self._role_codes), Counter(self._role_counts)  # noqa: SLF001
        other._timeline = copy.copy(self._timeline)  # noqa: SLF001
        return other

    def find(self, interaction_ids: NDArray[np.int64]) -> Slots:
        """The slots of those of these interactions that are there."""
        near = interaction_ids[interaction_ids <= self._highest_id]
        if not len(near):
            return np.empty(0, np.int32)
        found = np.isin(self.rows["interaction_id"], near) & self.rows["is_there"]
        return np.flatnonzero(found).astype(np.int32)

    def remove(self, slots: Slots) -> None:
        """Remove what is in these slots."""
        self.rows["is_there"][slots] = False
        self._role_counts.subtract(self.rows["role"][slots].tolist())
        self._gone += len(slots)
        if self._timeline is not None:
            self._timeline.remove(self.rows["is_there"])

    def compact(self) -> NDArray[np.int32] | None:
        """Move what is there together, where much is gone.

        Returns:
            For each former slot the new one, with anything for what is gone; None where nothing was moved.
        """
        if self._gone < max(_FEW_GONE, len(self)):
            return None
        is_there = self.rows["is_there"]
        moved = np.cumsum(is_there, dtype=np.int32) - 1
        self._buffer = self.rows[is_there].copy()
        self._size, self._gone, self._timeline = len(self._buffer), 0, None
        self._forget_roles()
        return moved

    def _forget_roles(self) -> None:
        """Let the names go that nothing has any more."""
        names = {code: role for role, code in self._role_codes.items()}
        left, codes = np.unique(self.rows["role"], return_inverse=True)
        self.rows["role"] = codes
        counts = np.bincount(codes, minlength=len(left)).tolist()
        self._role_codes, self._role_bytes = {}, 0
        for code in left.tolist():
            self._role_code(names[code])
        self._role_counts = Counter(dict(enumerate(counts)))

    def only_there(self, slots: Slots, values: NDArray[np.float32]) -> tuple[Slots, NDArray[np.float32]]:
        """Those of `slots` that have something, and the values that belong to them."""
        if not self._gone:
            return slots, values
        there = self.rows["is_there"][slots]
        return slots[there], values[there]

    def _role_code(self, role: str) -> int:
        code = self._role_codes.get(role)
        if code is None:
            code = self._role_codes[role] = len(self._role_codes)
            self._role_bytes += _ROLE_BYTES + len(role.encode())
        return code

    def with_role(self, names: Collection[str], slots: Slots) -> NDArray[np.bool_]:
        """Which of these slots have one of these roles."""
        codes = [code for name in names if (code := self._role_codes.get(name)) is not None]
        if not codes:
            return np.zeros(len(slots), np.bool_)
        found: NDArray[np.bool_] = np.isin(self.rows["role"][slots], codes)
        return found

    def considered(self, where: InteractionFilter, not_before: Position | None) -> NDArray[np.bool_] | None:
        """Which slots have something that fulfils all conditions; None where all do."""
        rows = self.rows
        conditions = [rows["is_there"]] if self._gone else []
        if where.request_id is not None:
            conditions.append(rows["request_id"] == np.void(where.request_id.bytes))
        if where.role is not None:
            conditions.append(rows["role"] == self._role_codes.get(where.role, -1))
        hashed: Mapping[str, str | None] = {"session": where.session_id, "source": where.source}
        conditions += [rows[name] == hash(value) for name, value in hashed.items() if value is not None]
        if where.start_time is not None:
            conditions.append(rows["created_at"] >= where.start_time)
        if where.end_time is not None:
            conditions.append(rows["created_at"] <= where.end_time)
        if not_before is not None:
            moment, interaction_id = not_before
            at_the_moment = (rows["created_at"] == moment) & (rows["interaction_id"] >= interaction_id)
            conditions.append((rows["created_at"] > moment) | at_the_moment)
        return np.logical_and.reduce(conditions) if conditions else None
