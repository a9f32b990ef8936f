"""Small libraries on top of the rest: optimizers, and layers of neural networks."""
