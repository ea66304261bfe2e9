"""Batches that were put aside whole: shown, exported, judged again when somebody asks."""
