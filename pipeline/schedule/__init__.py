"""When a recipe runs: its cron expression, what is due, what was missed, retries, and who is told of a failure.

slots -> due -> turn (lock, attempts, ledger) -> work (one run of the recipe) -> notice
"""
