"""Tables as published: facts of their sources, computed nowhere here.

[SZKCT22]: appendix tables of the dense networks, LeNet5 table of the arXiv version. SLIDES: LeNet5
table of a later presentation of the same work, its numbers from the result files of [CODE22]. τ,
then ranks of the low-rank layers, test accuracy in % and counts of weights.
"""

DENSE_NETS = {          # width: dense accuracy, and τ: (ranks, accuracy, prediction, training)
    784: (98.53, {0.03: ((190, 190, 190, 190), 98.61, 1199520, 2968800),
                  0.05: ((124, 120, 125, 126), 98.59, 784000, 1805268),
                  0.07: ((76, 86, 85, 83), 98.58, 525280, 1151864),
                  0.09: ((56, 67, 63, 59), 98.49, 392000, 836460),
                  0.11: ((35, 49, 47, 43), 98.12, 280672, 584240),
                  0.13: ((29, 35, 38, 34), 97.95, 221088, 453000),
                  0.15: ((22, 29, 27, 27), 97.81, 172480, 348252),
                  0.17: ((17, 23, 22, 23), 97.40, 141120, 281724)}),
    500: (98.54, {0.03: ((176, 170, 171, 174), 98.49, 745984, 1964540),
                  0.05: ((81, 104, 111, 117), 98.56, 441004, 1050556),
                  0.07: ((52, 67, 73, 72), 98.52, 283768, 633360),
                  0.09: ((35, 53, 51, 46), 98.34, 199940, 429884),
                  0.11: ((27, 40, 37, 38), 98.11, 154668, 324904),
                  0.13: ((20, 31, 32, 30), 97.50, 123680, 255500),
                  0.15: ((17, 25, 26, 24), 97.22, 101828, 207320),
                  0.17: ((13, 21, 24, 20), 96.90, 86692, 174728)}),
}
DENSE_NET_WEIGHTS = {784: 2466464, 500: 1147000}

LENET_SHAPES = ((20, 25), (50, 500), (500, 800), (10, 500))
LENET_WEIGHTS = 430500
LENET_DENSE = (98.82, 0.06)         # SLIDES: accuracy, its standard deviation
LENET_ARXIV = {         # τ: (ranks of all four layers, best accuracy, prediction, training)
    0.11: ((15, 46, 13, 10), 97.97, 47975, 50585), 0.15: ((13, 31, 9, 10), 97.75, 34435, 35746),
    0.2: ((10, 20, 7, 10), 97.20, 25650, 26299), 0.3: ((6, 9, 4, 10), 95.33, 15520, 15753),
}
LENET_SLIDES = {        # τ: (ranks, accuracy, its deviation, prediction, training with gradients)
    0.07: ((10, 25, 104), 98.026, 0.126, 58589, 895492),
    0.09: ((10, 23, 62), 98.161, 0.260, 37445, 532176),
    0.11: ((10, 20, 48), 98.212, 0.438, 30278, 412898),
    0.13: ((9, 16, 37), 97.872, 0.489, 24542, 316997),
    0.15: ((9, 16, 28), 98.139, 0.329, 20033, 251477),
    0.2: ((8, 8, 15), 98.115, 0.343, 13091, 135536),
    0.3: ((4, 6, 8), 97.451, 0.484, 9398, 80792),
    0.4: ((2, 4, 4), 95.967, 0.949, 7250, 47882),
    0.45: ((2, 2, 3), 94.068, 0.486, 6647, 35654),
}
ROBUST = {              # [CODE22]: LeNet5, rank 20, ten runs, 20 epochs; decay: accuracy, deviation
    "DLRT": {"1": (97.81, 0.14), "2": (97.29, 0.29), "10": (97.07, 0.65)},
    "as published": {"1": (93.74, 1.39), "2": (90.91, 2.46), "10": (86.24, 4.56)},
}
TIMINGS = {             # 784-5120×4-10: seconds a batch of 500 in training, a prediction; by rank
    "train": {5: 0.0717, 10: 0.0872, 20: 0.0988, 40: 0.1332, 80: 0.1986, 160: 0.3878, 320: 0.8552,
              640: 2.2502, 1280: 7.6115},
    "predict": {5: 0.2472, 10: 0.2488, 20: 0.2501, 40: 0.2481, 80: 0.2522, 160: 0.2660, 320: 0.3286,
                640: 0.4803, 1280: 0.7967, 2560: 1.4297},
    "dense_train": 0.3203, "dense_predict": 1.2477,
}
SVD_PRUNING = {         # 784-784×4-10, appendix of [SZKCT22]; rank: accuracy, quoted from memory
    "pruned": {10: 10, 100: 10}, "retrained": {10: 93, 90: 98.6},
}
NETWORKS = (            # network, method, source, what is saved, in %, and what beside it or None
    ("resnet50", "DLRT", "slides", "weights", 54.1, ("training", 14.2)),
    ("vgg16", "DLRT", "slides", "weights", 86.0, ("training", 78.4)),
    ("resnet20b", "ALDS", "LMFR21", "parameters", 74.91, ("multiply-adds", 67.86)),
    ("vgg16_cifar", "ALDS", "LMFR21", "parameters", 95.77, ("multiply-adds", 86.23)),
    ("wrn16_8", "ALDS", "LMFR21", "parameters", 87.77, ("multiply-adds", 79.90)),
    ("resnet18", "ALDS", "LMFR21", "parameters", 66.70, ("multiply-adds", 43.51)),
    ("resnet18", "ALDS, slides", "LMFR21", "multiply-adds", 64.5, None),
    ("resnet18", "ALDS, slides", "LMFR21", "multiply-adds", 76.3, None),
    ("alexnet", "ALDS, slides", "LMFR21", "multiply-adds", 77.9, None),
    ("alexnet", "ALDS, slides", "LMFR21", "multiply-adds", 81.4, None),
    ("alexnet_caffe", "L-Rank, 240 of 724 M", "IC20", "multiply-adds", 100 * (1 - 240 / 724), None),
    ("resnet20b", "TRP, channel, 2.66 times", "TRP", "multiply-adds", 100 * (1 - 1 / 2.66), None),
    ("resnet20b", "TRP + Nu, channel, 2.84 times", "TRP", "multiply-adds", 100 * (1 - 1 / 2.84),
     None),
    ("resnet18", "TRP, channel, 2.60 times", "TRP", "multiply-adds", 100 * (1 - 1 / 2.60), None),
    ("resnet18", "TRP + Nu, channel, 3.18 times", "TRP", "multiply-adds", 100 * (1 - 1 / 3.18),
     None),
    *((net, f"TRP{nu}, spatial, {times} times", "TRP", "multiply-adds, spatial",
       100 * (1 - 1 / times), None) for net, nu, times in (
        ("resnet20b", "", 1.97), ("resnet20b", " + Nu", 2.17), ("resnet18", "", 1.81),
        ("resnet18", " + Nu", 2.23))),
    ("resnet50", "TRP + Nu, 1.80 times", "TRP", "multiply-adds", 100 * (1 - 1 / 1.80), None),
    ("resnet50", "TRP + Nu, 2.30 times", "TRP", "multiply-adds", 100 * (1 - 1 / 2.30), None),
    ("vgg16_10", "DLRT", "SYS25", "Tucker weights", 94.58, None),
    ("vgg16_10", "RobustDLRT", "SYS25", "Tucker weights", 94.35, None),
)


def published(width):
    """{(width, τ): (weights for prediction, accuracy in %)} of the networks of a width."""
    _, rows = DENSE_NETS.get(width, (None, {}))
    return {(width, tau): (row[2], row[1]) for tau, row in rows.items()}
