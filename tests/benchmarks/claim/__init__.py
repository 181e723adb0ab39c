"""The parts of `tests.benchmarks.result_table`: targets, systems, ablations, and what is reported of them."""
