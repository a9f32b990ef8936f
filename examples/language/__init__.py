"""A small language model: characters in, the next character out."""
