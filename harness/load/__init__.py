"""Load: many clients in one process, every delivery verified, every latency from the intended time of sending."""
