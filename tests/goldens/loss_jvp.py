"""Forward derivative of loss.  Made by xform from models.py; edit that, then: xform jvp models.py:loss --wrt params -o loss_jvp.py"""
import runtime as rt
import runtime.numpy as np


def loss_jvp(params, inputs, targets, params_dot):
    preds, preds_dot = predict_jvp(params, inputs, params_dot)
    diff = preds - targets
    return np.mean(diff ** 2), np.mean(rt.broadcast_like(preds_dot, like=diff) * (2 * diff))


def predict_jvp(params, inputs, params_dot):
    inputs_dot = rt.ZERO
    for item, item_dot in rt.pairs(params, params_dot):
        W, b = item
        W_dot, b_dot = rt.parts(item_dot, 2)
        outputs_dot = rt.add(np.dot(inputs_dot, W), np.dot(inputs, W_dot)) + b_dot
        outputs = np.dot(inputs, W) + b
        inputs = np.tanh(outputs)
        inputs_dot = outputs_dot * (1 - inputs * inputs)
    return outputs, outputs_dot
