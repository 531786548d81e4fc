"""The parts of the benchmark suite; bench.py is its command line."""
