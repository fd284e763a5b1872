"""Radiographs in DICOM files: what is read of them, their pixels as grey values, their pixel size."""
