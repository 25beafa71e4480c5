"""Proteins through an encoder into the store: what lacks, plans, partitions, status."""
