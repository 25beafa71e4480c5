"""Tasks of a store into trained runs: one, folds, sweeps, simple models, evaluation."""
