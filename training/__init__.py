"""Training the models that `classify` runs: data, splits, pre-training, fine-tuning, evaluation, export."""
