"""Pictures as files: charts as PNG and SVG, recordings, the policy map."""
