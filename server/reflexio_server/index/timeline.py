"""The order of what was said: conversation by conversation, and by time in each."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_FEW = 8
"""So many are inserted one by one; for more everything is sorted anew."""

REACH = 3
"""How far neighbours are looked for."""

_STEPS = np.arange(-REACH, REACH + 1)
_BEFORE, _AFTER = (side.reshape(-1, 1) for side in np.indices((REACH + 1, REACH + 1)))
_IS_WITHIN = (_STEPS >= -_BEFORE) & (_STEPS <= _AFTER)
_STEPS_WITHIN: NDArray[np.intp] = np.where(_IS_WITHIN, _STEPS, 0)
"""For each extent of a place which steps stay in its conversation, and these steps, 0 for the others."""

BYTES_EACH = 4 + 4 + 4 + 8 + 1 + 4 * 2 * REACH
"""How much memory an interaction takes here."""


class Timeline:
    """Interactions in the order of their conversations, so that neighbours stand side by side.

    A place is a position in that order.
    """

    def __init__(self, rows: NDArray[np.void], slots: NDArray[np.int32]) -> None:
        """Sort interactions.

        Args:
            rows: One for each slot.
            slots: Which of them to sort.
        """
        keys = (rows["interaction_id"][slots], rows["created_at"][slots], rows["conversation"][slots])
        self.order = slots[np.lexsort(keys)]
        """The slot at each place."""
        self._conversations = rows["conversation"][self.order]
        self._places: NDArray[np.int32] | None = None
        self._relative_lengths: NDArray[np.float32] | None = None
        self._extents: NDArray[np.uint8] | None = None
        self._masks: tuple[Mapping[int, float], Sequence[tuple[int, NDArray[np.float32]]]] | None = None

    def places(self, slots_count: int) -> NDArray[np.int32]:
        """The place of each slot, shape (slots_count,); anything for slots that are not in the order."""
        if self._places is None:
            places = np.zeros(slots_count, np.int32)
            places[self.order] = np.arange(len(self.order), dtype=np.int32)
            # Only when it is whole: several threads may read.
            self._places = places
        return self._places

    def inserting_bytes(self, count: int) -> int:
        """How many bytes `insert` has to move for so many slots."""
        return count * (self.order.nbytes + self._conversations.nbytes) if count <= _FEW else 0

    def insert(self, rows: NDArray[np.void], slots: NDArray[np.int32]) -> bool:
        """Insert slots, unless they are so many that sorting everything is quicker. Returns whether it did."""
        if len(slots) > _FEW:
            return False
        for slot in slots.tolist():
            place = self._place_for(rows, slot)
            self.order = np.insert(self.order, place, slot)
            self._conversations = np.insert(self._conversations, place, rows["conversation"][slot])
        self._places = self._relative_lengths = self._extents = self._masks = None
        return True

    def remove(self, is_there: NDArray[np.bool_]) -> None:
        """Keep those slots only that `is_there` says."""
        kept = is_there[self.order]
        self.order, self._conversations = self.order[kept], self._conversations[kept]
        self._places = self._relative_lengths = self._extents = self._masks = None

    def beside(self, places: NDArray[np.int32], distance: int) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        """The neighbours in the same conversation.

        Args:
            places: Whose.
            distance: How many places further on; negative for those before. At most `REACH` either way.

        Returns:
            Which of `places` have one, and the places of these neighbours.
        """
        extents = self._reaching[places]
        exists = (extents % (REACH + 1) if distance > 0 else extents // (REACH + 1)) >= abs(distance)
        return exists, places[exists] + np.int32(distance)

    def around(
        self, places: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Places with those around them, from `REACH` before to `REACH` after.

        Args:
            places: Whose.
            weights: What each of these steps counts, shape (2 * REACH + 1,).

        Returns:
            The places, shape (places, 2 * REACH + 1), and their weights: 0 for those of another conversation, in whose
            stead stands the one in the middle.
        """
        extents = self._reaching[places]
        return places.astype(np.intp)[:, None] + _STEPS_WITHIN[extents], (_IS_WITHIN * weights)[extents]

    def spread(self, values: NDArray[np.float32], weights: Mapping[int, float]) -> NDArray[np.float32]:
        """At each place its value and those of its neighbours, weighted.

        Args:
            values: One for each place, shape (…, places).
            weights: What the value of a neighbour counts that stands so many places further on.
        """
        sums = values.copy()
        # Written over and over: at a hundred thousand places new memory for each step would take longer than the step.
        scratch = np.empty_like(values)
        for distance, mask in self._masks_for(weights):
            part = scratch[..., : max(0, values.shape[-1] - abs(distance))]
            if distance > 0:
                np.multiply(values[..., distance:], mask, out=part)
                sums[..., :-distance] += part
            else:
                np.multiply(values[..., :distance], mask, out=part)
                sums[..., -distance:] += part
        return sums

    def _masks_for(self, weights: Mapping[int, float]) -> Sequence[tuple[int, NDArray[np.float32]]]:
        """For each distance what a neighbour so far away counts: its weight in the same conversation, else 0."""
        if self._masks is None or self._masks[0] != weights:
            after = self._reaching % (REACH + 1)
            masks = [
                (distance, (after[: max(0, len(after) - abs(distance))] >= abs(distance)) * np.float32(weight))
                for distance, weight in weights.items()
            ]
            self._masks = (dict(weights), masks)
        return self._masks[1]

    def relative_lengths(self, rows: NDArray[np.void], weights: Mapping[int, float]) -> NDArray[np.float32]:
        """How many words there are at each place and around it, divided by the mean of that.

        Args:
            rows: One for each slot.
            weights: What a word counts that stands so many places further on.
        """
        if self._relative_lengths is None:
            # One more: their mean is a divisor.
            lengths = self.spread(rows["words"][self.order].astype(np.float32), weights) + np.float32(1)
            self._relative_lengths = lengths / np.float32(lengths.mean(dtype=np.float64))
        return self._relative_lengths

    @property
    def _reaching(self) -> NDArray[np.uint8]:
        """Of each place how many before and after it are of the same conversation, as far as `REACH`, as one number."""
        if self._extents is None:
            of = self._conversations
            extents = np.zeros(len(of), np.uint8)
            for distance in range(1, REACH + 1):
                together = of[distance:] == of[:-distance]
                extents[:-distance] += together
                extents[distance:] += together * np.uint8(REACH + 1)
            self._extents = extents
        return self._extents

    def _place_for(self, rows: NDArray[np.void], slot: int) -> int:
        row = rows[slot]
        first = int(np.searchsorted(self._conversations, row["conversation"]))
        end = int(np.searchsorted(self._conversations, row["conversation"], "right"))
        moments = rows["created_at"][self.order[first:end]]
        earlier = int(np.searchsorted(moments, row["created_at"]))
        not_later = int(np.searchsorted(moments, row["created_at"], "right"))
        at_once = rows["interaction_id"][self.order[first + earlier : first + not_later]]
        return first + earlier + int(np.searchsorted(at_once, row["interaction_id"]))
