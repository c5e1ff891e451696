"""What a kube-apiserver answered our client, recorded once and played back to the same client code.

`record.py` makes the files in `data/` beside an API server that runs; the tests need none.
"""
