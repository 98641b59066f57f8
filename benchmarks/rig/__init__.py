"""The fault rig: thousands of changes over real parts, and faults at random; then a comparison.

``python -m benchmarks.rig --help`` says how to run it.
"""
