"""Chinese electricity meters that speak DL/T 645, of 1997 or 2007. See README.md."""
