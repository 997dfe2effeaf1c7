"""Bit-exact emulator of fixed-point neural-network accelerators."""

__version__ = "0.1.0"
