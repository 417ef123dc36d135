"""Synthetic UK patients from one seed: the same people, byte for byte, in every process."""
