"""Runs blocks and checks on the machines of a Dask cluster; nothing here schedules, moves or restarts anything."""
