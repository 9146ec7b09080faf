"""The toolchains, packages and interpreters that servers need: which are installed, and how to install the others."""
