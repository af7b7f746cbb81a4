"""What was found, as tables in Markdown."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from benchmarks.quality.asking import Answer
from benchmarks.quality.dataset import NOTHING, DataSet
from benchmarks.quality.metrics import Scores, figures, mean, ranks_of
from benchmarks.report import machine, table

COLUMNS = ("questions", "n", "first", "R@1", "R@10", "nDCG@10", "MRR@10")
THRESHOLD_COLUMNS = ("min_score", "false positives", "false negatives")

MOST_LOST = 0.05
"""Which share of the answers the suggested threshold may lose."""

_BEGIN = "<!-- measured: begin -->"
_END = "<!-- measured: end -->"


def markdown(measured: Sequence[tuple[DataSet, Sequence[Answer]]], seconds: float) -> str:
    """Everything of a run that took so long, with what it ran on; shares in per cent."""
    lines = [f"Measured on {datetime.now(UTC):%Y-%m-%d} in {seconds:.0f} s: {machine()}.", ""]
    for data_set, answers in measured:
        turns = sum(len(conversation.turns) for conversation in data_set.conversations)
        lines += [f"### `{data_set.name}`", "", f"{len(data_set.conversations)} users, {turns:,} interactions.", ""]
        modes = list(dict.fromkeys(answer.mode for answer in answers))
        for mode in modes:
            asked = [answer for answer in answers if answer.mode == mode]
            lines += [f"**{mode}**", "", table(COLUMNS, _ranking_rows(data_set, asked))]
        hybrid = [answer for answer in answers if answer.mode == "hybrid"]
        if any(answer.question.kind == NOTHING for answer in hybrid):
            lines += list(_threshold_lines(scores_of(hybrid)))
    return "\n".join(lines)


def update(document: str, section: str) -> str:
    """`document` with `section` in place of what stands between its markers; `section` alone where it has none."""
    before, begin, rest = document.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return f"{before}{begin}\n\n{section.strip()}\n\n{end}{after}" if end else f"{section.strip()}\n"


def scores_of(answers: Sequence[Answer]) -> Scores:
    """The scores of one mode on which a threshold decides."""
    evidence, nothing = [], []
    for answer in answers:
        if answer.question.kind == NOTHING:
            nothing.append(max(answer.scores, default=0.0))
        elif ranks := ranks_of(answer.found, answer.question.evidence):
            evidence.append(max(answer.scores[rank - 1] for rank in ranks))
    return Scores(evidence, nothing)


def _ranking_rows(data_set: DataSet, answers: Sequence[Answer]) -> Iterator[Sequence[str]]:
    for name, kinds in data_set.groups:
        rows = [figures(a.found, a.question.evidence) for a in answers if a.question.kind in kinds]
        if rows:
            of = mean(rows)
            shares = (of.first, of.recall_at_1, of.recall_at_10, of.ndcg_at_10, of.mrr)
            yield name, str(len(rows)), *(_percent(share) for share in shares)


def _threshold_lines(scores: Scores) -> Iterator[str]:
    yield f"**min_score, hybrid**: {len(scores.evidence)} answers that were found, {len(scores.nothing)} questions "
    yield "without an answer."
    yield ""
    suggested, least = scores.highest_that_loses(MOST_LOST), scores.least_errors()
    thresholds = sorted({suggested, least, *(twentieth / 20 for twentieth in range(21))})
    yield table(THRESHOLD_COLUMNS, (_threshold_row(scores, threshold) for threshold in thresholds))
    yield f"Suggested: {suggested:.2f}, the highest that loses at most {_percent(MOST_LOST)} % of the answers. "
    yield f"The sum of both rates is least at {least:.2f}."
    yield ""


def _threshold_row(scores: Scores, threshold: float) -> Sequence[str]:
    rates = (scores.false_positives(threshold), scores.false_negatives(threshold))
    return f"{threshold:.2f}", *(_percent(rate) for rate in rates)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
