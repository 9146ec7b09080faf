"""Reports: the tables, findings and curves that reporters put together."""
