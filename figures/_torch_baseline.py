"""The three-pass scheme of the paper in PyTorch, for timing only: three forward and backward passes
(K, L, S), Householder QR.

Layers are (U, S, V, bias) with a dense last layer, SGD substeps, the basis augmented to 2r and cut
to rank r again: what a released implementation does in a step, without its overhead.
"""

import itertools
import math

import torch
from torch.nn import functional as F


def network(widths, rank, seed=0):
    """Low-rank layers (U, S, V, b), the last one dense (W, b); rank None: all dense."""
    torch.manual_seed(seed)
    shapes = list(zip(widths[1:], widths, strict=False))

    def layer(n, m, last):
        if last or rank is None:
            return [torch.randn(n, m) * (2 / m) ** 0.5, torch.zeros(n)]
        U, V = torch.linalg.qr(torch.randn(n, rank))[0], torch.linalg.qr(torch.randn(m, rank))[0]
        return [U, torch.diag(torch.linspace(2, 0.5, rank)), V, torch.zeros(n)]
    return [layer(n, m, k == len(shapes) - 1) for k, (n, m) in enumerate(shapes)]


def loss_of(x, labels, factors):
    """factors: for each layer (left, right, bias), its weight left · rightᵀ, or left if dense."""
    for k, (left, right, b) in enumerate(factors):
        x = (x @ left.T if right is None else (x @ right) @ left.T) + b
        x = torch.relu(x) if k < len(factors) - 1 else x
    return F.cross_entropy(x, labels)


def gradients(x, labels, factors, wanted):
    for tensor in wanted:
        tensor.requires_grad_()
    return torch.autograd.grad(loss_of(x, labels, factors), wanted)


def dense_step(layers, x, labels, lr):
    tensors = [tensor.detach() for layer in layers for tensor in layer]
    factors = [(W, None, b) for W, b in zip(tensors[::2], tensors[1::2], strict=True)]
    grads = gradients(x, labels, factors, tensors)
    with torch.no_grad():
        new = [tensor - lr * grad for tensor, grad in zip(tensors, grads, strict=True)]
    return [new[k:k + 2] for k in range(0, len(new), 2)]


def three_pass_step(layers, x, labels, lr, rank):
    """One step of adaptive DLRT [SZKCT22, Algorithm 1] of rank `rank`; the S-pass also moves the
    biases and the dense layer."""
    low, last = layers[:-1], layers[-1]
    K = [U @ S for U, S, _, _ in low]
    L = [V @ S.T for _, S, V, _ in low]
    tail = [(last[0], None, last[1])]
    in_K = [(k, V, b) for k, (_, _, V, b) in zip(K, low, strict=True)]
    in_L = [(U, right, b) for right, (U, _, _, b) in zip(L, low, strict=True)]
    grad_K = gradients(x, labels, in_K + tail, K)
    grad_L = gradients(x, labels, in_L + tail, L)
    with torch.no_grad():
        bases = [(torch.linalg.qr(torch.cat([k - lr * gk, U], 1))[0],
                  torch.linalg.qr(torch.cat([right - lr * gl, V], 1))[0])
                 for k, gk, right, gl, (U, _, V, _) in zip(K, grad_K, L, grad_L, low, strict=True)]
        cores = [(U1.T @ U) @ S @ (V.T @ V1)
                 for (U1, V1), (U, S, V, _) in zip(bases, low, strict=True)]
    biases, W, b = [layer[3].detach() for layer in low], last[0].detach(), last[1].detach()
    wanted = [*cores, *biases, W, b]
    for tensor in wanted:
        tensor.requires_grad_()
    factors = [(U1 @ S, V1, bias)
               for (U1, V1), S, bias in zip(bases, cores, biases, strict=True)] + [(W, None, b)]
    grads = torch.autograd.grad(loss_of(x, labels, factors), wanted)
    with torch.no_grad():
        new = [tensor - lr * grad for tensor, grad in zip(wanted, grads, strict=True)]
        result = []
        for (U1, V1), S, bias in zip(bases, new, new[len(cores):], strict=False):
            P, sigma, Qh = torch.linalg.svd(S)
            result.append([U1 @ P[:, :rank], torch.diag(sigma[:rank]), V1 @ Qh.T[:, :rank], bias])
    return [*result, new[-2:]]


def lenet(seed=0):
    """LeNet5: four weights, each with its bias."""
    torch.manual_seed(seed)
    shapes = [(20, 1, 5, 5), (50, 20, 5, 5), (500, 800), (10, 500)]
    return [X for s in shapes
            for X in (torch.randn(s) * (2 / math.prod(s[1:])) ** 0.5, torch.zeros(s[0]))]


def lenet_loss(tensors, x, labels):
    W1, b1, W2, b2, W3, b3, W4, b4 = tensors
    z = F.max_pool2d(torch.relu(F.conv2d(x.reshape(-1, 1, 28, 28), W1, b1)), 2)
    z = F.max_pool2d(torch.relu(F.conv2d(z, W2, b2)), 2).flatten(1)
    return F.cross_entropy(F.linear(torch.relu(F.linear(z, W3, b3)), W4, b4), labels)


def resnet(seed=0):
    """ResNet-20 with padded shortcuts: each kernel, its γ and β; then weight and bias."""
    torch.manual_seed(seed)
    widths = [3, 16, *[n for n in (16, 32, 64) for _ in range(6)]]
    tensors = []
    for c, n in itertools.pairwise(widths):
        kernel = torch.randn(n, c, 3, 3) * (2 / (9 * c)) ** 0.5
        tensors += [kernel.to(memory_format=torch.channels_last), torch.ones(n), torch.zeros(n)]
    return [*tensors, torch.randn(10, 64) / 8, torch.zeros(10)]


def resnet_loss(tensors, x, labels):
    *convolutions, W, b = tensors
    convolutions = iter(zip(*[iter(convolutions)] * 3, strict=True))

    def normalised(z, stride=1):
        kernel, gamma, beta = next(convolutions)
        z = F.conv2d(z, kernel, stride=stride, padding=1)
        return F.batch_norm(z, None, None, gamma, beta, training=True)

    z = torch.relu(normalised(x.reshape(-1, 32, 32, 3).permute(0, 3, 1, 2)))    # channels last
    for stride in (1, 1, 1, 2, 1, 1, 2, 1, 1):
        inside = normalised(torch.relu(normalised(z, stride)))
        beside = F.pad(z[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, inside.shape[1] - z.shape[1]))
        z = torch.relu(inside + beside)
    return F.cross_entropy(F.linear(z.mean((2, 3)), W, b), labels)


def descent(loss, tensors, x, labels, lr):
    """The tensors after one step of stochastic gradient descent on a loss(tensors, x, labels)."""
    wanted = [tensor.detach().requires_grad_() for tensor in tensors]
    grads = torch.autograd.grad(loss(wanted, x, labels), wanted)
    with torch.no_grad():
        return [X - lr * G for X, G in zip(wanted, grads, strict=True)]
