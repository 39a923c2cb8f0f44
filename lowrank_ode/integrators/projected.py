"""The field F as each factor of Y = U S Vᴴ sees it: the right-hand sides of the K-, L- and S-steps
[LO14, CL22]."""

from ..matrices import H, LowRank, outer, restrict


def K_field(F, V):
    """K' = F(t, K Vᴴ) V."""
    return lambda t, K: F(t, outer(K, V)) @ V


def L_field(F, U):
    """L' = F(t, U Lᴴ)ᴴ U."""
    return lambda t, L: H(F(t, outer(U, L))) @ U


def S_field(F, U, V):
    """S' = Uᴴ F(t, U S Vᴴ) V."""
    return lambda t, S: restrict(U, F(t, LowRank(U, S, V)), V)
