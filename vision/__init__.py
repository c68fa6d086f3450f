"""Pixels: captioning, detection and face encoders will live here."""
