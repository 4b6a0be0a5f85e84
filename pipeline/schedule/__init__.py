"""When a recipe runs by itself: cron expression, due and missed slots, retries, and who is notified of a failure.

slots -> due -> tick (lock, attempts, ledger) -> scheduled_run (one run of the recipe) -> notification
"""
