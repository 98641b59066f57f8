"""What is indexed: the options of models, their keys and rows, and what has changed in them."""
