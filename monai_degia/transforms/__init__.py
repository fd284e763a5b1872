"""Transforms of images and of the landmarks they carry."""
