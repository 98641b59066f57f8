"""The pages that people use in a browser; ``urls`` lists them."""
