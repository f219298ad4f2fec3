"""One module of cases for each family of layers, of the same name."""
