"""Analyses: what the transforms need to know, as frozen dataclasses computed from core trees."""
