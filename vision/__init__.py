"""Pixels: captioning and questions about pictures; detection and face encoders will live here."""
