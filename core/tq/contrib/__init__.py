"""What is useful beside tasks, and imported by nobody who does not ask for it."""
