"""Transforms: jvp, vjp, vmap, spmd and stage, each from core units to units in the readable form."""
