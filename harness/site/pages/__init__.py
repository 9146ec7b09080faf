"""The pages of the site: one module for each kind, with a function `pages` that takes the `Site`."""
