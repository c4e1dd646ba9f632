"""tanh, sigmoid, relu, softplus, concat for whichever arrays come: NumPy's or torch's.

A cell written with these, ``@``, arithmetic and slices learns on torch tensors and runs on NumPy arrays
with the same lines. Torch is recognised by its tensors and never imported from here.
"""
