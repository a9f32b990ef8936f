"""loss as one program on several devices.  Made by xform from models.py; edit that, then: xform pmap models.py:loss --in-axes None,0,0 --axis-name batch -o loss_pmap.py"""
import runtime as rt
import runtime.numpy as np


@rt.pmap(axis_name='batch', in_axes=(None, 0, 0))
def loss_spmd(params, inputs, targets):
    preds = predict(params, inputs)
    return np.mean((preds - targets) ** 2)


def predict(params, inputs):
    def body(item, outputs, inputs):
        W, b = item
        outputs = np.dot(inputs, W) + b
        inputs = np.tanh(outputs)
        return outputs, inputs

    outputs, inputs = rt.for_loop(body, params, rt.UNDEFINED, inputs)
    return outputs
