"""A server as a process: started, looked at, and ended, with nothing left behind."""
