"""The order of what was said: conversation by conversation, and by time in each."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_FEW = 8
"""So many are inserted one by one; for more everything is sorted anew."""

REACH = 3
"""How far neighbours are looked for."""

BYTES_EACH = 4 + 4 + 4 + 8 + REACH + 4 * 2 * REACH
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
        self._lengths: NDArray[np.float32] | None = None
        self._of_one: list[NDArray[np.bool_]] | None = None
        self._masks: tuple[Mapping[int, float], Sequence[tuple[int, NDArray[np.float32]]]] | None = None

    def places(self, slots_count: int) -> NDArray[np.int32]:
        """The place of each slot, shape (slots_count,); anything for slots that are not in the order."""
        if self._places is None:
            places = np.zeros(slots_count, np.int32)
            places[self.order] = np.arange(len(self.order), dtype=np.int32)
            # Only when it is whole: several threads may read.
            self._places = places
        return self._places

    def insert(self, rows: NDArray[np.void], slots: NDArray[np.int32]) -> bool:
        """Insert slots, unless they are so many that sorting everything is quicker. Returns whether it did."""
        if len(slots) > _FEW:
            return False
        for slot in slots.tolist():
            place = self._place_for(rows, slot)
            self.order = np.insert(self.order, place, slot)
            self._conversations = np.insert(self._conversations, place, rows["conversation"][slot])
        self._places = self._lengths = self._of_one = self._masks = None
        return True

    def remove(self, is_there: NDArray[np.bool_]) -> None:
        """Keep those slots only that `is_there` says."""
        kept = is_there[self.order]
        self.order, self._conversations = self.order[kept], self._conversations[kept]
        self._places = self._lengths = self._of_one = self._masks = None

    def beside(self, places: NDArray[np.int32], distance: int) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        """The neighbours in the same conversation.

        Args:
            places: Whose.
            distance: How many places further on; negative for those before. At most `REACH` either way.

        Returns:
            Which of `places` have one, and the places of these neighbours.
        """
        targets = places + np.int32(distance)
        exists = (targets >= 0) & (targets < len(self.order))
        earlier = np.minimum(places, targets)[exists]
        exists[exists] = self._together[abs(distance) - 1][earlier]
        return exists, targets[exists]

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
            masks = [(d, self._together[abs(d) - 1] * np.float32(weight)) for d, weight in weights.items()]
            self._masks = (dict(weights), masks)
        return self._masks[1]

    def lengths(self, rows: NDArray[np.void], weights: Mapping[int, float]) -> NDArray[np.float32]:
        """How many words there are at each place and around it.

        Args:
            rows: One for each slot.
            weights: What a word counts that stands so many places further on.
        """
        if self._lengths is None:
            # One more: their mean is a divisor.
            self._lengths = self.spread(rows["words"][self.order].astype(np.float32), weights) + np.float32(1)
        return self._lengths

    @property
    def _together(self) -> list[NDArray[np.bool_]]:
        """For each distance, whether what is at a place and what is so far behind it are of one conversation."""
        if self._of_one is None:
            of = self._conversations
            self._of_one = [of[distance:] == of[:-distance] for distance in range(1, REACH + 1)]
        return self._of_one

    def _place_for(self, rows: NDArray[np.void], slot: int) -> int:
        row = rows[slot]
        first = int(np.searchsorted(self._conversations, row["conversation"]))
        end = int(np.searchsorted(self._conversations, row["conversation"], "right"))
        moments = rows["created_at"][self.order[first:end]]
        earlier = int(np.searchsorted(moments, row["created_at"]))
        not_later = int(np.searchsorted(moments, row["created_at"], "right"))
        at_once = rows["interaction_id"][self.order[first + earlier : first + not_later]]
        return first + earlier + int(np.searchsorted(at_once, row["interaction_id"]))
