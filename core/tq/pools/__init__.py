"""What pools with slots share: seats on threads and greenlets, who raises soft time limits there, and a pool of
greenlets for libraries to fill in."""
