"""The fault rig: thousands of changes over real parts, and faults at random; then a comparison.

``python -m tests.faults --help`` says how to run it.
"""
