"""Where jobs run beyond this process: partitions for batch systems, workers on a Ray cluster."""
