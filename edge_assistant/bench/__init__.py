"""Measures this device. Figures are ratios wherever they can be, taken interleaved in one run.

`registry.py` names the benches. A bench is a module with `MEASUREMENTS`; a measurement announces the
goals it answers to and yields one result for each. See docs/benchmarks.md.
"""
