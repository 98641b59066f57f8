"""Files of every format that is kept on disk, as released versions have written them.

A later version must still read them, or refuse an older descriptor as documented. Never change a
file. When a format gets a new version, write new files beside these, with
``python -m tests.formats.write``.
"""
