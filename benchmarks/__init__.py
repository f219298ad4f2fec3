"""minicap against its peers: ratios of times and peak memory, measured in turn in separate processes.

Run it as `python -m benchmarks` from the top of the repository; docs/benchmarks.md has the method.
"""
