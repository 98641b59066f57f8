"""Make a gallery of real pictures from public repositories, and measure what is called a copy.

See ``benchmarks/real_gallery.py``.
"""
