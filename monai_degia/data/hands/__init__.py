"""Rendered hands: an articulated model seen as a photograph, a depth map and an X-ray."""
