"""What is to be done: records written with the rows they follow, and word of them to Celery."""
