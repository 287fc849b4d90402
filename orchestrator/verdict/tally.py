"""The trials of one cell, judged one by one until they settle its verdict."""

from dataclasses import dataclass, field

from orchestrator.model import Decision, Expectation, Judgement, Rate, Verdict
from orchestrator.model.rate import percent, upper_bound
from orchestrator.verdict.judge import Observation, judge_error, judge_trial


@dataclass
class Tally:
    """The judgements of a cell's trials and the verdict they add up to.

    The first expected crash settles a cell that must crash. A cell that should not crash fails at its
    first unexpected trial, unless it states `survive`: then the sequential test decides.
    """

    expectation: Expectation
    enough: int = 1
    """The number of trials with a verdict that are wanted."""
    _judgements: list[Judgement] = field(default_factory=list)

    def add(self, observation: Observation) -> Judgement:
        """Judge one more trial and keep its judgement, not its text."""
        self._judgements.append(judge_trial(self.expectation, observation))
        return self._judgements[-1]

    @property
    def settled(self) -> bool:
        """Whether no further trial is needed."""
        if self._must_crash:
            return self._count(Verdict.PASS) >= self.enough
        if self.enough > 1 and not self._count(Verdict.ERROR):
            return self._count(Verdict.FAIL) >= self.enough
        return self._count(Verdict.ERROR) > 0 or self._decision is not Decision.GO_ON

    @property
    def judgement(self) -> Judgement:
        """The verdict on all trials so far, with the rate bound they support."""
        if not self._judgements:
            return judge_error("no trial was run")
        return self._crash() if self._must_crash else self._survival()

    @property
    def rate(self) -> Rate | None:
        """The rate of the expected crash; where no crash is expected, the rate of unexpected trials."""
        if not self._judged:
            return None
        if self._must_crash:
            return Rate.of("crashed as expected", self._count(Verdict.PASS), self._judged)
        return Rate.of("were not as expected", self._count(Verdict.FAIL), self._judged)

    @property
    def _must_crash(self) -> bool:
        return self.expectation.must_crash

    @property
    def _judged(self) -> int:
        return self._count(Verdict.PASS) + self._count(Verdict.FAIL)

    @property
    def _decision(self) -> Decision:
        wrong = self._count(Verdict.FAIL)
        if self.expectation.survive:
            return self.expectation.survive.design.decide(wrong, self._judged)
        return Decision.GIVE_UP if wrong else Decision.GO_ON

    def _count(self, verdict: Verdict) -> int:
        return sum(item.verdict is verdict for item in self._judgements)

    def _first(self, *verdicts: Verdict) -> Judgement:
        """The first judgement with the first of these verdicts that occurs."""
        found = (item for verdict in verdicts for item in self._judgements if item.verdict is verdict)
        return next(found)

    def _crash(self) -> Judgement:
        """An error precedes a failure: a crash whose core was lost may have been the expected one."""
        first = self._first(Verdict.PASS, Verdict.ERROR, Verdict.FAIL)
        crashed = self._count(Verdict.PASS)
        if len(self._judgements) == 1:
            return first
        bound = f": {self._under()}" if first.verdict is Verdict.FAIL else ""
        return _with(first, f" ({crashed} of {len(self._judgements)} trials as expected{bound})")

    def _survival(self) -> Judgement:
        wrong, trials = self._count(Verdict.FAIL), len(self._judgements)
        if self._count(Verdict.ERROR):
            return self._first(Verdict.ERROR)
        survive = self.expectation.survive
        if survive and self._decision is Decision.CLAIM:
            but = f", {wrong} of them not as expected" if wrong else ""
            claim = f"rate under {percent(survive.rate)} with {percent(survive.confidence)} confidence"
            # A claim takes more trials than it tolerates unexpected ones, so one of them passed.
            return _with(self._first(Verdict.PASS), f"; {claim} after {trials} trials{but}")
        if wrong and survive and self._decision is Decision.GO_ON:
            return judge_error(f"undecided: {wrong} of {trials} trials were not as expected, of "
                               f"up to {survive.design.most} that may be needed")  # fmt: skip
        if wrong:
            return _with(self._first(Verdict.FAIL), f" ({wrong} of {trials} trials)" if trials > 1 else "")
        first = self._first(Verdict.PASS)
        if survive:
            return _with(
                first, f"; cut short: {self._under()} after {trials} of {survive.design.most} trials"
            )
        return _with(first, f"; {self._under()} after {trials} trials") if trials > 1 else first

    def _under(self) -> str:
        """The bound on the rate of an event that no trial showed."""
        return f"rate under {percent(upper_bound(0, self._judged))} with 95 % confidence"


def _with(judgement: Judgement, words: str) -> Judgement:
    """The judgement with `words` appended to its reason."""
    return judgement.model_copy(update={"reason": f"{judgement.reason}{words}"})
