"""What was found, as tables in Markdown."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from benchmarks.quality.asking import Answer
from benchmarks.quality.dataset import NOTHING, DataSet
from benchmarks.quality.metrics import figures, mean, ranks_of
from benchmarks.quality.thresholds import Scores, held_out
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
        lines += [f"### {data_set.name}", "", f"{len(data_set.conversations)} users, {turns:,} interactions.", ""]
        modes = list(dict.fromkeys(answer.mode for answer in answers))
        for mode in modes:
            asked = [answer for answer in answers if answer.mode == mode]
            lines += [f"**{mode}**", "", table(COLUMNS, _ranking_rows(data_set, asked))]
        hybrid = [answer for answer in answers if answer.mode == "hybrid"]
        if any(answer.question.kind == NOTHING for answer in hybrid):
            lines += ["**min_score, hybrid**", "", *_threshold_lines(hybrid)]
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


def _threshold_lines(answers: Sequence[Answer]) -> Iterator[str]:
    scores = scores_of(answers)
    yield (
        f"Of {len(scores.nothing)} questions without an answer (false positives: something reaches `min_score`) and "
        f"{len(scores.evidence)} whose answer is among the first ten (false negatives: it does not), in per cent:"
    )
    yield ""
    suggested = scores.highest_that_loses(MOST_LOST)
    thresholds = sorted({suggested, *(twentieth / 20 for twentieth in range(21))})
    yield table(THRESHOLD_COLUMNS, (_threshold_row(scores, threshold) for threshold in thresholds))
    users = list(dict.fromkeys(answer.user_id for answer in answers))
    by_user = [scores_of([answer for answer in answers if answer.user_id == user]) for user in users]
    positives, negatives = held_out(by_user, MOST_LOST)
    yield (
        f"Suggested: **{suggested:.2f}**, the highest that loses at most {_percent(MOST_LOST)} % of the answers. "
        f"Chosen for each user from the scores of the others alone, it gives {_percent(positives)} % false positives "
        f"and {_percent(negatives)} % false negatives. The sum of both is least at {scores.least_errors():.2f}."
    )
    yield ""


def _threshold_row(scores: Scores, threshold: float) -> Sequence[str]:
    rates = (scores.false_positives(threshold), scores.false_negatives(threshold))
    return f"{threshold:.2f}", *(_percent(rate) for rate in rates)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
