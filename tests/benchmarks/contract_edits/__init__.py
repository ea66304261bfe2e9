"""Many edits of a contract while messages flow: how soon each validator judges by the new revision, and whether every verdict is right.

`rules` (what each revision says, and what each message is), `publisher` (a process that sends), `readers` (who is in the
way), `watching` (when who judges by what, and who waits for whom), `oracle` (the account), `trial` (all together).
"""
