"""What is known: bases, experts and targets, what was computed for them, and what was done with them."""
