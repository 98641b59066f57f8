"""The pages that people use in a browser; ``urls`` says which there are."""
