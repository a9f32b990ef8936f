"""A multilayer perceptron and its loss: what a user writes. Try: xform grad examples/digits/model.py:loss --wrt params"""
import xform.numpy as np
from xform import nn


def predict(params, images):
    """Return the scores of the ten digits for images [n, 64], with params a list of (weights, biases)."""
    activations = images
    for W, b in params:
        scores = activations @ W + b
        activations = np.tanh(scores)
    return scores


def loss(params, images, targets):
    """Return the mean cross entropy of images [n, 64] against one-hot targets [n, 10]."""
    log_probabilities = nn.log_softmax(predict(params, images))
    return -np.mean(np.sum(targets * log_probabilities, axis=1))
