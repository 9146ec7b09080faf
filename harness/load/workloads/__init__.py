"""The built-in workloads: each module here is a plugin that adds one."""
