"""Everything that travels to the Hub: flat files that import each other only as siblings, nothing else of ours."""
