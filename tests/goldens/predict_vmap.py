"""predict over a batch: in_axes=None,0.  Made by xform from models.py; edit that, then: xform vmap models.py:predict --in-axes None,0 -o predict_vmap.py"""
import runtime as rt
import runtime.numpy as np


def predict_vmap(params, inputs):
    # batched along axis 0: inputs; shared: params
    for W, b in params:
        dot_1, b_1 = rt.align((rt.batched(np.dot)(inputs, W, over=('a',)), b), (1, 0))
        outputs = dot_1 + b_1
        inputs = np.tanh(outputs)
    return outputs
