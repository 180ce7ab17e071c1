"""RoutedPPO: rollouts, routing labels, and the update as a sum of named loss terms."""
