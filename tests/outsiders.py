"""Three integrators as a textbook has them, in plain NumPy: each right, and each of less than the
contract asks for. OUTSIDERS are (integrator, what it does not claim)."""

import numpy as np

from lowrank_ode import LowRank


def rk4(f, t, y, h):
    k1 = f(t, y)
    k2 = f(t + h / 2, y + h / 2 * k1)
    k3 = f(t + h / 2, y + h / 2 * k2)
    k4 = f(t + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


class RealSplitting:
    """Projector splitting [LO14] with plain transposes, of one matrix."""

    order, exact_on_rank_r, keeps_norm, robust = 1, True, True, True

    def step(self, Y, t, h, F):
        h, (U, S, V) = float(h), Y
        I, J = np.eye(U.shape[1], dtype=U.dtype), V
        U, S = np.linalg.qr(rk4(lambda s, K: F(s, LowRank(K, I, J)) @ J, t, U @ S, h))
        S = rk4(lambda s, S: -(U.T @ F(s, LowRank(U, S, J)) @ J), t, S, h)
        V, R = np.linalg.qr(rk4(lambda s, L: F(s, LowRank(U, I, L)).T @ U, t, J @ S.T, h))
        return LowRank(U, R.T, V)


class DoubleBUG:
    """Fixed-rank BUG [CL22] in double precision, of one matrix; F an ndarray."""

    order, exact_on_rank_r, keeps_symmetry, robust = 1, True, True, True

    def step(self, Y, t, h, F):
        U, S, V = (np.asarray(X, dtype=np.result_type(X, np.float64)) for X in Y)
        I = np.eye(len(S))
        U1, _ = np.linalg.qr(rk4(lambda s, K: F(s, LowRank(K, I, V)) @ V, t, U @ S, h))
        V1, _ = np.linalg.qr(rk4(lambda s, L: F(s, LowRank(U, I, L)).conj().T @ U, t,
                                 V @ S.conj().T, h))
        S = (U1.conj().T @ U) @ S @ (V.conj().T @ V1)
        S = rk4(lambda s, S: U1.conj().T @ F(s, LowRank(U1, S, V1)) @ V1, t, S, h)
        return LowRank(U1, S, V1)


class EulerRetraction:
    """Riemannian Euler with an SVD retraction [KV19], of one matrix; F is multiplied from both
    sides, and may be of any kind."""

    order, robust = 1, True

    def step(self, Y, t, h, F):
        h, G, (U, S, V) = float(h), F(t, Y), Y
        K, L = G @ V, (U.conj().T @ G).conj().T
        M, zero = U.conj().T @ K, 0 * S
        P, R_K = np.linalg.qr(np.hstack([U, K - U @ M]))
        Q, R_L = np.linalg.qr(np.hstack([V, L - V @ M.conj().T]))
        core = R_K @ np.block([[S + h * M, h * np.eye(len(S))], [h * np.eye(len(S)), zero]])
        A, sigma, Bh = np.linalg.svd((core @ R_L.conj().T).astype(U.dtype))
        r = len(S)
        return LowRank((P @ A[:, :r]).astype(U.dtype), np.diag(sigma[:r]).astype(U.dtype),
                       (Q @ Bh[:r].conj().T).astype(V.dtype))


OUTSIDERS = [(RealSplitting(), ("complex", "direct_sums")),
             (DoubleBUG(), ("float32", "direct_sums", "operators")),
             (EulerRetraction(), ("direct_sums",))]
