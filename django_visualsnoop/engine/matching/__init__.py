"""Whether one picture is a copy of another, by what is kept of both."""
