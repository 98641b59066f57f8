"""Helpers that every package may import: transactions, interruptions, budgets and others."""
