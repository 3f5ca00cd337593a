"""The worker: engines that receive, run and settle, and the process around them."""
