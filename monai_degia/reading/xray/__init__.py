"""DICOM X-rays."""
