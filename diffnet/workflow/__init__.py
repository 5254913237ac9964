"""What the verbs do: the stages between a dataset folder and a report."""
