"""What the pages say is run, compiled, or compared with the code."""
