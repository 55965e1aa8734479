"""The journal: records in files, whole or not there, whatever byte a crash stops at."""
