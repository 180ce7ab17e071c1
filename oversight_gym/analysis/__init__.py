"""Results of many runs: statistics, tables, charts."""
