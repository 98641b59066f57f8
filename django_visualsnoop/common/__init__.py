"""What every room may use: transactions, interruptions, budgets and the like."""
