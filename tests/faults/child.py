"""Starts a child process: python -m tests.faults.child web|sweeper ARGUMENT ..."""

from __future__ import annotations

import sys
from importlib import import_module

import django


def main() -> None:
    django.setup()
    name, *arguments = sys.argv[1:]
    import_module(f"tests.faults.{name}").main(arguments)


if __name__ == "__main__":
    main()
