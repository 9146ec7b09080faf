"""Compares the sources of two servers: reads them, pairs their lines, and shows or counts the differences."""
