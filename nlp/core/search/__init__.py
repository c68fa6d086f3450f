"""Search: the best texts that a model gives each of its sources, and which of them to choose."""
