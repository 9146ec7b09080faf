"""A run as a static web site: one folder of pages that needs no server, no network and no scripts to be read."""
