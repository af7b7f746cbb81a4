"""What a least score would keep and lose. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_GRID = [hundredths / 100 for hundredths in range(101)]


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores on which a threshold decides."""

    evidence: Sequence[float]
    """Of each question whose answer is among the first ten: the best score of its evidence there."""
    nothing: Sequence[float]
    """Of each question without an answer: the best score of any hit; 0 where there was none."""

    def false_negatives(self, threshold: float) -> float:
        """Which share of the answers falls below `threshold`."""
        return _share(score < threshold for score in self.evidence)

    def false_positives(self, threshold: float) -> float:
        """Which share of the questions without an answer gets something all the same."""
        return _share(score >= threshold for score in self.nothing)

    def highest_that_loses(self, share: float) -> float:
        """The highest threshold, in hundredths, that loses no more than `share` of the answers."""
        return max(threshold for threshold in _GRID if self.false_negatives(threshold) <= share)

    def least_errors(self) -> float:
        """The threshold, in hundredths, at which the sum of both rates is least; the lowest of several."""
        return min(_GRID, key=lambda threshold: self.false_negatives(threshold) + self.false_positives(threshold))


def held_out(by_user: Sequence[Scores], share: float) -> tuple[float, float]:
    """False positives and false negatives where each user's threshold is chosen from the others' scores alone.

    Args:
        by_user: The scores of each user; two at least.
        share: Which share of the answers a threshold may lose where it is chosen.
    """
    positives, negatives = [], []
    for one in by_user:
        threshold = _joined([other for other in by_user if other is not one]).highest_that_loses(share)
        positives += [score >= threshold for score in one.nothing]
        negatives += [score < threshold for score in one.evidence]
    return _share(positives), _share(negatives)


def _joined(parts: Sequence[Scores]) -> Scores:
    return Scores(
        [score for part in parts for score in part.evidence], [score for part in parts for score in part.nothing]
    )


def _share(outcomes: Iterable[bool]) -> float:
    """Of those that are true; 0 where there are none."""
    counted = list(outcomes)
    return sum(counted) / len(counted) if counted else 0.0
