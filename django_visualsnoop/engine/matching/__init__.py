"""Decide whether one picture is a copy of another, from their stored data."""
