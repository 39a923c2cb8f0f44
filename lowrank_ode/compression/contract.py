"""What a compression method is: a function method(net, params, budget, **options) that returns
(net, params, report) and keeps this contract.

1. budget is a part of the numbers of the dense network in (0, 1], or a whole number of them, biases
   included. The result has no more numbers than that, and the report says how many.
2. Pure: net, params and data are untouched, also by who writes into the result, which shares no
   memory with them; the result depends on the arguments alone.
3. Precision is kept: float32 in, float32 out. Decisions are taken in double precision.
4. Weights of `Dense` layers may be cut, first and last ones and those in residual blocks too; a
   layer whose factors would be no smaller stays dense. Blocks that are LowRank are multiplied out
   first, and `Grouped` layers joined, so that a method may follow another. Other layers are left
   alone.
5. LowRank blocks have orthonormal bases: any integrator trains them on. Of kernels that are folded
   otherwise than W itself both factors become kernels, dense blocks.
6. The claims on the function hold. `uses_data`: it takes x, inputs from the training set;
   `low_rank`: weights become LowRank, else layers become smaller dense ones; `monotone`: with more
   of a budget no layer gets fewer numbers, and no bound of an error rises.

ValueError for a budget that is none, or less than what rank 1 takes, and for weights that are not
finite.
"""


def method(uses_data=False, low_rank=True, monotone=True):
    """Decorator: puts the claims on the function."""
    def claim(function):
        function.uses_data, function.low_rank, function.monotone = uses_data, low_rank, monotone
        return function
    return claim
