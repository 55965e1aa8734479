"""One module for each command that has no package of its own. `takeover.cli` lists them."""
