"""A classifier of handwritten digits: the model that is differentiated, and its data."""
