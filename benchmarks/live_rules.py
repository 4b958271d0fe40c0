# ruff: noqa: INP001 - a part of the script rollouts.py
"""The other rules of live traffic, simulated as `rollouts` does it for rates: how often a version
exactly at its limit is failed or passed while somebody looks again and again, and how soon one
that is not gets its Verdict. Beside each, on the same rows, the test made for one look.
"""

from collections.abc import Callable, Iterator
from math import inf, log, sqrt

import numpy as np
from bars import Bar, Report, tell

from lifecycle.weighing import holm_levels
from stats.confidence_sequences import beta_binomial_log_e
from stats.paired import log_k_fail, log_k_pass
from stats.quantile_sequences import quantile_ratio_sequence_bounds
from stats.quantiles import bucket_counts, latency_buckets, quantile_ratio_bounds
from stats.two_samples import rate_difference_bounds

ALPHA = 0.05
LONGEST = 20_000
Z_ONE_SIDED = 1.645
SEED = 20_100_968
Looks = Iterator[tuple[int, bool | None]]
"""(rows seen, True: FAIL, False: PASS, None: go on) of each look until the end."""


def measure_accuracy(report: Report, runs: int) -> list[Bar]:
    """Labels arrive: not worse by two points, where 5 % of the texts are answered differently."""
    bars = []
    tell(f"accuracy exactly two points worse, limit two points, {runs} Rollouts")
    ours = [_ended(_betting(seed, -0.02, 100)) for seed in range(runs)]
    fixed = [_ended(_fixed_accuracy(seed, -0.02)) for seed in range(runs)]
    what = f"% of versions exactly 2 points worse, limit 2 points, within {LONGEST:,} labelled rows"
    bars.append(
        report.at_most(
            "accuracy-false-fail", f"{what}, that FAIL: ours", 5, _share(ours, fail=True)
        )
    )
    bars.append(
        report.at_most(
            "accuracy-false-pass", f"{what}, that PASS: ours", 5, _share(ours, fail=False)
        )
    )
    name = "accuracy-false-fail-z-test"
    bars.append(report.shown(name, f"{what}, that FAIL: z-test", _share(fixed, fail=True)))
    for difference, fail in ((0.0, False), (-0.04, True)):
        verdict = "FAIL" if fail else "PASS"
        what = f"labelled rows (median) to {verdict}: limit 2 points, truly {difference * 100:g}"
        ends = [_ended(_betting(seed, difference, 20)) for seed in range(runs)]
        name = f"accuracy-{verdict.lower()}-at-{abs(difference) * 100:g}"
        bars.append(report.shown(name, what, _median(ends, fail=fail)))
    return bars


def measure_errors_apart(report: Report, runs: int) -> list[Bar]:
    """A canary of 10 %: its error rate over the Baseline's, each on requests of its own."""
    tell(f"a canary's error rate exactly 2 points over the Baseline's, {runs} Rollouts")
    ours = [_ended(_two_rates(seed, (0.03, 0.01), _ours_apart)) for seed in range(runs)]
    fixed = [_ended(_two_rates(seed, (0.03, 0.01), _z_apart)) for seed in range(runs)]
    what = "% of canaries exactly at a limit of 2 points more errors than the Baseline that FAIL"
    bars = [
        report.at_most("errors-false-fail", f"{what}: ours", 5, _share(ours, fail=True)),
        report.shown("errors-false-fail-z-test", f"{what}: z-test", _share(fixed, fail=True)),
    ]
    for rates, fail in (((0.2, 0.01), True), ((0.01, 0.01), False)):
        verdict = "FAIL" if fail else "PASS"
        ends = [_ended(_two_rates(seed, rates, _ours_apart, every=10)) for seed in range(runs)]
        what = f"a canary's requests (median) to {verdict}: limit 2 points, {rates[0]:.0%} errors"
        name = f"errors-{verdict.lower()}-at-{rates[0] * 100:g}"
        bars.append(report.shown(name, what, _median(ends, fail=fail)))
    return bars


def measure_latency(report: Report, runs: int) -> list[Bar]:
    """A shadow's p95 over the Baseline's, limit 1.2, of latencies with the usual long tail."""
    tell(f"p95 exactly 1.2 times the Baseline's, limit 1.2, {runs} Rollouts")
    ours = [_ended(_latencies(seed, 1.2, quantile_ratio_sequence_bounds)) for seed in range(runs)]
    once = [_ended(_latencies(seed, 1.2, quantile_ratio_bounds)) for seed in range(runs)]
    what = "% of versions exactly at a limit of 1.2 times the Baseline's p95 that FAIL"
    bars = [
        report.at_most("latency-false-fail", f"{what}: ours", 5, _share(ours, fail=True)),
        report.shown("latency-false-fail-once", f"{what}: one look's", _share(once, fail=True)),
    ]
    for factor, fail in ((2.0, True), (0.8, False)):
        verdict = "FAIL" if fail else "PASS"
        ends = [
            _ended(_latencies(seed, factor, quantile_ratio_sequence_bounds)) for seed in range(runs)
        ]
        what = (
            f"pairs (median) to {verdict}: p95 at most 1.2 times the Baseline's, truly {factor:g}"
        )
        bars.append(
            report.shown(f"latency-{verdict.lower()}-at-{factor:g}", what, _median(ends, fail=fail))
        )
    return bars


def measure_slices(report: Report, runs: int) -> list[Bar]:
    """Eight Slices with a budget each, all exactly at it."""
    tell(f"eight Slices exactly at their limit of 5 %, {runs} Rollouts")
    held = [_any_slice(seed, holm=True) for seed in range(runs)]
    bare = [_any_slice(seed, holm=False) for seed in range(runs)]
    what = "% of versions with 8 Slices exactly at 5 % that FAIL on any within 20,000 pairs"
    return [
        report.at_most(
            "slices-false-fail", f"{what}: with Holm's levels", 5, 100 * sum(held) / runs
        ),
        report.shown("slices-false-fail-bare", f"{what}: each at 5 %", 100 * sum(bare) / runs),
    ]


def _ended(looks: Looks) -> tuple[float, bool | None]:
    return next(((rows, said) for rows, said in looks if said is not None), (inf, None))


def _share(ends: list[tuple[float, bool | None]], *, fail: bool) -> float:
    return 100 * sum(said is fail for _, said in ends) / len(ends)


def _median(ends: list[tuple[float, bool | None]], *, fail: bool) -> float:
    return float(np.median([rows if said is fail else inf for rows, said in ends]))


def _wins_and_losses(seed: int, difference: float, every: int) -> Iterator[tuple[int, int, int]]:
    chances = [(0.05 + difference) / 2, (0.05 - difference) / 2, 0.95]
    drawn = np.random.default_rng((SEED, seed)).multinomial(every, chances, LONGEST // every)
    for look, (wins, losses, _) in enumerate(drawn.cumsum(axis=0), start=1):
        yield look * every, int(wins), int(losses)


def _betting(seed: int, difference: float, every: int) -> Looks:
    enough = log(1 / ALPHA)
    for n, wins, losses in _wins_and_losses(seed, difference, every):
        if log_k_fail(wins, losses, n, 0.02) >= enough:
            yield n, True
        yield n, False if log_k_pass(wins, losses, n, 0.02) >= enough else None


def _fixed_accuracy(seed: int, difference: float) -> Looks:
    for n, wins, losses in _wins_and_losses(seed, difference, 100):
        mean = (wins - losses) / n
        deviation = sqrt(max((wins + losses) / n - mean**2, 1e-9) / n)
        yield n, True if (mean + 0.02) / deviation < -Z_ONE_SIDED else None


Apart = Callable[[tuple[int, int], tuple[int, int]], bool | None]


def _two_rates(seed: int, rates: tuple[float, float], rule: Apart, every: int = 100) -> Looks:
    random = np.random.default_rng((SEED, seed))
    looks = 5000 // every
    ours = random.binomial(every, rates[0], looks).cumsum()
    theirs = random.binomial(9 * every, rates[1], looks).cumsum()
    for look in range(looks):
        n = (look + 1) * every
        yield n, rule((int(ours[look]), n), (int(theirs[look]), 9 * n))


def _ours_apart(ours: tuple[int, int], theirs: tuple[int, int]) -> bool | None:
    bounds = rate_difference_bounds(ours, theirs, 0.02, ALPHA)
    if bounds.lower > 0.02:
        return True
    return False if bounds.upper <= 0.02 else None


def _z_apart(ours: tuple[int, int], theirs: tuple[int, int]) -> bool | None:
    rates = [hits / n for hits, n in (ours, theirs)]
    spread = sum(rate * (1 - rate) / n for rate, (_, n) in zip(rates, (ours, theirs), strict=True))
    return True if (rates[0] - rates[1] - 0.02) / sqrt(max(spread, 1e-9)) > Z_ONE_SIDED else None


def _latencies(seed: int, factor: float, bounds_of: Callable[..., object]) -> Looks:
    random, edges = np.random.default_rng((SEED, seed)), latency_buckets()
    counts = np.zeros((2, len(edges) + 1), dtype=np.int64)
    for look in range(1, 51):
        for row, scale in enumerate((factor, 1.0)):
            counts[row] += bucket_counts(scale * random.lognormal(2, 0.5, 200), edges)
        bounds = bounds_of(edges, counts[0].tolist(), counts[1].tolist(), 0.95, ALPHA)
        said = True if bounds.lower > 1.2 else None
        yield look * 200, False if bounds.upper <= 1.2 else said


def _any_slice(seed: int, *, holm: bool) -> bool:
    bad = np.random.default_rng((SEED, seed)).binomial(25, 0.05, (100, 8)).cumsum(axis=0)
    for look, counted in enumerate(bad, start=1):
        claims = [_claim(int(count), look * 25) for count in counted]
        levels = holm_levels(claims, ALPHA) if holm else [ALPHA] * len(claims)
        if any(claim(level) for claim, level in zip(claims, levels, strict=True)):
            return True
    return False


def _claim(bad: int, n: int) -> Callable[[float], bool]:
    evidence = beta_binomial_log_e(bad, n, 0.05) if bad / n > 0.05 else -inf
    return lambda level: evidence >= log(1 / level)
