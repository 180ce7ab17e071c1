"""Gradient routing and the gated mixture for any module; imports torch alone."""
