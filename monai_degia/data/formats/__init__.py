"""Files of annotation tools: read, judged, written."""
