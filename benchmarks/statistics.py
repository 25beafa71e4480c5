"""Do 95 % intervals of a difference hold the truth 95 % of the time, and does p keep its word?

Two arms that are equally good are simulated, many times: each of N proteins is predicted right by
an arm's seed if its ease, what the arm makes of it, what the seed makes of it, and the seed's own
luck come to more than zero. The seed's luck moves an arm's true accuracy (0.85) by the given
deviation; even without it two seeds of an arm differ on 7 % of the proteins. Then
`training.uncertainty`, as every comparison of sesstore uses it, says how sure the difference of the
means over seeds is. The covariance over proteins is computed in closed form, to which the bootstrap
of `training.pairs` comes with many draws.

Beside it: what takes proteins alone into account (a paired bootstrap or permutation of the seeds'
mean), and Welch's degrees of freedom on the same variance.

::

    python -m benchmarks.statistics           # a minute or two
    python -m benchmarks.statistics --json
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import stdtrit

from sesstore.training.uncertainty import standard_error

PROTEINS, SEEDS, DEVIATIONS = (250, 504, 3000), (1, 3, 5, 10), (0.007, 0.014)
ACCURACY, ARM, SEED = 0.85, 0.3, 0.3
"""True accuracy; deviations of what an arm and a seed make of a protein, whose ease has 1."""
NORMAL = 1.959964
"""Of the normal distribution, 97.5 % lie below."""
AT_ONCE = 6_000_000
"""Predictions simulated together."""


@dataclass(frozen=True)
class Cell:
    """One setting, and how often each way holds the truth, which is no difference.

    Parameters
    ----------
    proteins, seeds : int
        N and S.
    deviation : float
        Of the true accuracies of an arm's seeds.
    measured : float
        Mean deviation of the accuracies of an arm's seeds on these proteins: what a table shows.
    studies : int
        Simulated.
    coverage : float or None
        Share of intervals that hold the truth; one minus it is the share of p below 0.05. None with
        one seed, of which there is no interval.
    welch : float or None
        The same with Welch's degrees of freedom.
    proteins_alone : float
        The same if only proteins are taken to vary.
    """

    proteins: int
    seeds: int
    deviation: float
    measured: float
    studies: int
    coverage: float | None
    welch: float | None
    proteins_alone: float


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=4000, help="simulated of each setting")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cells = measure(studies=options.studies)
    if options.json:
        measured = [cell for cell in cells if cell.coverage is not None]
        ratios = {
            "coverage_least": min(cell.coverage or 0 for cell in measured),
            "coverage_most": max(cell.coverage or 0 for cell in measured),
        }
        rows = [asdict(cell) for cell in cells]
        print(
            json.dumps({"machine": platform.platform(), "table": rows, "ratios": ratios}, indent=1)
        )
    else:
        print("\n".join(table(cells)))


def measure(
    proteins: tuple[int, ...] = PROTEINS,
    seeds: tuple[int, ...] = SEEDS,
    deviations: tuple[float, ...] = DEVIATIONS,
    *,
    studies: int = 4000,
) -> list[Cell]:
    """Simulate every setting."""
    return [simulate(*setting, studies) for setting in product(proteins, seeds, deviations)]


def simulate(proteins: int, seeds: int, deviation: float, studies: int) -> Cell:
    """Simulate studies of one setting, and count whose intervals hold no difference."""
    chance = np.random.default_rng([proteins, seeds, round(deviation * 1e6)])
    together = max(1, AT_ONCE // (2 * proteins * seeds))
    verdicts, spreads = [], []
    for start in range(0, studies, together):
        right = predictions(chance, min(together, studies - start), proteins, seeds, deviation)
        if seeds > 1:
            spreads.append(right.mean(3).std(2, ddof=1).mean(1))
        verdicts += [verdict(study) for study in right[:, 0] - right[:, 1]]
    shares, welch, alone = np.mean(verdicts, axis=0)
    return Cell(
        proteins,
        seeds,
        deviation,
        float(np.concatenate(spreads).mean()) if spreads else float("nan"),
        studies,
        float(shares) if seeds > 1 else None,
        float(welch) if seeds > 1 else None,
        float(alone),
    )


def predictions(
    chance: np.random.Generator, studies: int, proteins: int, seeds: int, deviation: float
) -> NDArray[np.float32]:
    """Draw which proteins are predicted right, shape=(studies, 2 arms, seeds, proteins)."""

    def normal(*shape: int) -> NDArray[np.float32]:
        return chance.standard_normal((studies, *shape), np.float32)

    spread = np.sqrt(1 + ARM**2 + SEED**2)
    ease = stats.norm.ppf(ACCURACY) * spread
    luck = deviation * spread / stats.norm.pdf(ease / spread)  # moves accuracy by `deviation`
    shared = ease + normal(1, 1, proteins) + ARM * normal(2, 1, proteins)
    seed_part = SEED * normal(2, seeds, proteins) + luck * normal(2, seeds, 1)
    return (shared + seed_part > 0).astype(np.float32)


def verdict(differences: NDArray[np.float32]) -> tuple[bool, bool, bool]:
    """Whether three intervals of a study hold zero: this package's, Welch's, of proteins alone.

    Parameters
    ----------
    differences : ndarray, shape=(S, N), dtype=float32
        Of right and wrong, seed by seed and protein by protein.
    """
    seeds, proteins = differences.shape
    by_seed = differences.mean(1, dtype=np.float64)
    covariance = np.atleast_2d(np.cov(differences)) / proteins
    mean, alone = abs(by_seed.mean()), float(covariance.mean())
    error = standard_error(by_seed, covariance, proteins)
    low, high = error.interval(float(mean))
    if seeds == 1:
        return False, False, bool(mean <= NORMAL * alone**0.5)
    between = by_seed.var(ddof=1) / seeds
    shared = max(error.error**2 - between, 0.0)
    parts = shared**2 / (proteins - 1) + between**2 / (seeds - 1)
    limit = stdtrit((shared + between) ** 2 / parts, 0.975)
    return (
        low <= 0 <= high,
        bool(mean <= limit * (shared + between) ** 0.5),
        bool(mean <= NORMAL * alone**0.5),
    )


def table(cells: list[Cell]) -> list[str]:
    """Lines of a table in Markdown."""
    lines = [
        "| proteins | seeds | deviation (measured) | this test | Welch | proteins alone |",
        "|---|---|---|---|---|---|",
    ]
    for cell in cells:
        measured = "" if cell.seeds == 1 else f" ({cell.measured:.3f})"
        aware, welch = (
            "no verdict" if share is None else f"{share:.1%}"
            for share in (cell.coverage, cell.welch)
        )
        lines.append(
            f"| {cell.proteins:,} | {cell.seeds} | {cell.deviation:g}{measured} | {aware} "
            f"| {welch} | {cell.proteins_alone:.1%} |"
        )
    return lines


if __name__ == "__main__":
    main()
