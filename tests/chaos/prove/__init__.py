"""The proof: faults at random while every kind of sender publishes, and an account of every acknowledged message.

Read in this order: `plan` (what is done, from a seed), `messages` and `journal` (what is sent, and the senders' log),
`publishers` and `load` (who sends it), `processes` and `faults` (what is broken), `checker`, `checks` and `sampler` (the account), `history` (what led to a
violation), `report`, and `campaign`, which runs all of it.
"""
