"""Celery, hidden: tasks are named ``noun.verb`` and take ids only."""
