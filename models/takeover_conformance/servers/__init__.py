"""Servers to try the suite on: the reference, every named mistake, legal variants, and blanks."""
