"""Small libraries on top of the rest: optimizers."""
