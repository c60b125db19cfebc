"""What is run and kept: train, evaluate, records, metrics, comparisons and the command line."""
