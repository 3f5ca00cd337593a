"""The application and its tasks."""
